//! Writes records on a thread of its own: whoever logs never waits for whoever reads. What does not fit into the queue
//! meanwhile is dropped and counted, and the log says so as soon as it can. Audit lines have a reserve of their own, so that
//! a reader that stalls costs none of them, and are written first when the process ends.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::AUDIT;

/// Bytes that may wait to be written.
const QUEUE_BYTES: usize = 1024 * 1024;
/// Bytes of audit lines that may wait besides: some ten thousand writes.
const AUDIT_BYTES: usize = 4 * 1024 * 1024;
/// Lines that are taken to be written at a time.
const BATCH: usize = 64;
/// How long the end of a subscriber waits for what was logged before it.
const LAST_WRITES: Duration = Duration::from_secs(2);
/// Longest line for people; a JSON record bounds its fields.
const LINE_BYTES: usize = 16 * 1024;

/// Records of this process that were dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many records were dropped so far, for the metric.
pub(in crate::telemetry) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

pub(super) type Sink = Box<dyn io::Write + Send>;

/// What is written for so many dropped records, so many audit lines among them.
pub(super) type Notice = fn(Dropped) -> String;

/// Records that were dropped since it was said last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: u64,
    /// Of these.
    pub(super) audit: u64,
}

/// One record.
struct Line {
    bytes: Vec<u8>,
    /// It tells of a change of the directory.
    is_audit: bool,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Line>,
    /// Of lines that are no audit lines, and of those that are.
    bytes: usize,
    audit_bytes: usize,
    dropped: Dropped,
    /// The process ends: audit lines go first.
    hurries: bool,
    /// Lines are being written at this moment.
    writing: bool,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Line) {
        let mut state = self.lock();
        let (waiting, most) = if line.is_audit {
            (&mut state.audit_bytes, AUDIT_BYTES)
        } else {
            (&mut state.bytes, QUEUE_BYTES)
        };
        let with_it = waiting.saturating_add(line.bytes.len());
        if with_it > most {
            state.dropped.records = state.dropped.records.saturating_add(1);
            state.dropped.audit = state.dropped.audit.saturating_add(u64::from(line.is_audit));
            DROPPED.fetch_add(1, Ordering::Relaxed);
        } else {
            *waiting = with_it;
            state.lines.push_back(line);
        }
        self.filled.notify_one();
    }

    /// Waits until everything is written, and not longer than `limit`: the reader may have stopped reading. What waits is
    /// written as it came, except that audit lines go first.
    pub(super) fn flush(&self, limit: Duration) {
        let mut state = self.lock();
        state.hurries = true;
        let is_busy = |state: &mut State| state.writing || !state.lines.is_empty() || state.dropped.records > 0;
        let waited = self.written.wait_timeout_while(state, limit, is_busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.hurries = false;
    }

    /// What is to be written next; `None` when nobody logs any more.
    fn next(&self) -> Option<(Vec<Line>, Dropped)> {
        let is_idle = |state: &mut State| state.lines.is_empty() && state.dropped.records == 0 && !state.closed;
        let waited = self.filled.wait_while(self.lock(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.lines.is_empty() && state.dropped.records == 0 {
            return None;
        }
        state.writing = true;
        if state.hurries {
            state.lines.make_contiguous().sort_by_key(|line| !line.is_audit);
        }
        let batch = state.lines.len().min(BATCH);
        let lines: Vec<Line> = state.lines.drain(..batch).collect();
        for line in &lines {
            let waiting = if line.is_audit {
                &mut state.audit_bytes
            } else {
                &mut state.bytes
            };
            *waiting = waiting.saturating_sub(line.bytes.len());
        }
        // That something was dropped is said after what came before it.
        let all = state.lines.is_empty();
        let dropped = if all {
            std::mem::take(&mut state.dropped)
        } else {
            Dropped::default()
        };
        Some((lines, dropped))
    }

    fn write_all(&self, mut sinks: Vec<Sink>, notice: Notice) {
        while let Some((lines, dropped)) = self.next() {
            let mut put = |bytes: &[u8]| {
                // A sink that fails is skipped for that record.
                for sink in &mut sinks {
                    drop(sink.write_all(bytes));
                }
            };
            for line in &lines {
                put(&line.bytes);
            }
            if dropped.records > 0 {
                put(notice(dropped).as_bytes());
            }
            for sink in &mut sinks {
                drop(sink.flush());
            }
            self.lock().writing = false;
            self.written.notify_all();
        }
    }
}

/// Makes a writer for each record.
pub(super) struct Lossy {
    queue: Arc<Queue>,
    escapes: bool,
}

impl Lossy {
    /// Starts the thread. `escapes`: the records are lines for people, in which whatever is no text is escaped.
    pub(super) fn start(sinks: Vec<Sink>, notice: Notice, escapes: bool) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let writing = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write_all(sinks, notice))?;
        Ok(Self { queue, escapes })
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_one();
        self.queue.flush(LAST_WRITES);
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Record<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Record {
            to: self,
            is_audit: false,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Record {
            to: self,
            is_audit: meta.target() == AUDIT,
        }
    }
}

/// Takes one record, which comes in one piece.
pub(super) struct Record<'a> {
    to: &'a Lossy,
    is_audit: bool,
}

impl io::Write for Record<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = if self.to.escapes {
            escaped(&String::from_utf8_lossy(bytes)).into_bytes()
        } else {
            bytes.to_vec()
        };
        self.to.queue.push(Line {
            bytes: line,
            is_audit: self.is_audit,
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line and nothing that a terminal would take for a command: what C1 or PingOne sends can look like either.
fn escaped(record: &str) -> String {
    let mut line = String::with_capacity(record.len().min(LINE_BYTES));
    for c in record.trim_end_matches('\n').chars() {
        if line.len() >= LINE_BYTES {
            line.push('…');
            break;
        }
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use io::Write as _;

    use super::*;

    /// Takes a byte string for each that it is allowed to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl io::Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().ok();
            self.1.send(bytes.to_vec()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_reading_stops_nobody_and_what_it_missed_is_counted() {
        let (allow, allowed) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let notice = |dropped: Dropped| format!("{} dropped\n", dropped.records);
        let lossy = Lossy::start(vec![Box::new(Slow(allowed, sender))], notice, false).unwrap();
        let before = dropped();
        let record = vec![b'x'; 64 * 1024];
        for _ in 0..100 {
            lossy.make_writer().write_all(&record).unwrap();
        }
        let started = std::time::Instant::now();
        lossy.queue().flush(Duration::from_millis(50));
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "it waits for a limited time"
        );
        // The reader reads again.
        drop(allow);
        lossy.queue().flush(Duration::from_mins(1));
        let lines: Vec<String> = written
            .try_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect();
        let lost: Vec<usize> = lines
            .iter()
            .filter_map(|line| line.strip_suffix(" dropped\n")?.parse().ok())
            .collect();
        let all: usize = lost.iter().sum();
        assert!((60..100).contains(&all), "{lost:?}");
        assert_eq!(lines.len() - lost.len(), 100 - all);
        // The process counts those of every writer in one place.
        assert!(dropped() - before >= u64::try_from(all).unwrap());
    }

    /// A reader stalls while everything is logged at once, and reads again.
    #[test]
    fn a_reader_that_stalls_costs_no_audit_line() {
        let (allow, allowed) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let notice = |dropped: Dropped| format!("{} dropped, {} of them audit\n", dropped.records, dropped.audit);
        let lossy = Lossy::start(vec![Box::new(Slow(allowed, sender))], notice, false).unwrap();
        let log = |line: Vec<u8>, is_audit| Record { to: &lossy, is_audit }.write_all(&line).unwrap();
        for number in 0..100 {
            log(vec![b'x'; 64 * 1024], false);
            log(format!("audit {number}").into_bytes(), true);
        }
        drop(allow);
        lossy.queue().flush(Duration::from_mins(1));
        let lines: Vec<String> = written
            .try_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect();
        let audit: Vec<&String> = lines.iter().filter(|line| line.starts_with("audit")).collect();
        let expected: Vec<String> = (0..100).map(|number| format!("audit {number}")).collect();
        assert_eq!(audit, expected.iter().collect::<Vec<_>>(), "all of them, in order");
        assert!(lines.iter().any(|line| line.ends_with("dropped, 0 of them audit\n")));
    }

    /// At the end there may be time for some lines only.
    #[test]
    fn audit_lines_are_the_first_to_be_written_when_the_process_ends_and_too_many_are_counted() {
        let (allow, allowed) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let notice = |dropped: Dropped| format!("{} dropped, {} of them audit\n", dropped.records, dropped.audit);
        let lossy = Lossy::start(vec![Box::new(Slow(allowed, sender))], notice, false).unwrap();
        let log = |line: Vec<u8>, is_audit| Record { to: &lossy, is_audit }.write_all(&line).unwrap();
        // One batch may be on its way already.
        for number in 0..3 * BATCH {
            log(format!("line {number}").into_bytes(), false);
        }
        log(vec![b'a'; AUDIT_BYTES], true);
        log(b"one too many".to_vec(), true);
        lossy.queue().lock().hurries = true;
        for _ in 0..=BATCH {
            allow.send(()).unwrap();
        }
        let first: Vec<Vec<u8>> = written.iter().take(BATCH + 1).collect();
        assert!(
            first.iter().any(|line| line.first() == Some(&b'a')),
            "before the other lines"
        );
        drop(allow);
        lossy.queue().flush(Duration::from_mins(1));
        let rest: Vec<Vec<u8>> = written.try_iter().collect();
        assert!(rest.iter().any(|line| line.ends_with(b"1 dropped, 1 of them audit\n")));
    }

    #[test]
    fn a_line_for_people_is_one_line_of_text_and_bounded() {
        let line = escaped("task_id=a\nERROR forged\u{1b}[2J\u{202e}x\n");
        assert_eq!(line, "task_id=a\\nERROR forged\\u{1b}[2J\\u{202e}x\n");
        assert!(escaped(&"é".repeat(LINE_BYTES)).len() < LINE_BYTES + 8);
    }
}
