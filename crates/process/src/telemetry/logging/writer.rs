//! Writes records on a thread of its own: whoever logs never waits for whoever reads. What does not fit into the queue
//! meanwhile is dropped and counted, and the log says so as soon as it can.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait to be written.
const QUEUE_BYTES: usize = 1024 * 1024;
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

/// What is written for so many dropped records.
pub(super) type Notice = fn(u64) -> String;

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
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

    fn push(&self, line: Vec<u8>) {
        let mut state = self.lock();
        if state.bytes.saturating_add(line.len()) > QUEUE_BYTES {
            state.dropped = state.dropped.saturating_add(1);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        } else {
            state.bytes = state.bytes.saturating_add(line.len());
            state.lines.push_back(line);
        }
        self.filled.notify_one();
    }

    /// Waits until everything is written, and not longer than `limit`: the reader may have stopped reading.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.writing || !state.lines.is_empty() || state.dropped > 0;
        drop(self.written.wait_timeout_while(self.lock(), limit, is_busy));
    }

    /// What is to be written next; `None` when nobody logs any more.
    fn next(&self) -> Option<(VecDeque<Vec<u8>>, u64)> {
        let is_idle = |state: &mut State| state.lines.is_empty() && state.dropped == 0 && !state.closed;
        let waited = self.filled.wait_while(self.lock(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.lines.is_empty() && state.dropped == 0 {
            return None;
        }
        state.writing = true;
        state.bytes = 0;
        Some((std::mem::take(&mut state.lines), std::mem::take(&mut state.dropped)))
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
                put(line);
            }
            if dropped > 0 {
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
        Record(self)
    }
}

/// Takes one record, which comes in one piece.
pub(super) struct Record<'a>(&'a Lossy);

impl io::Write for Record<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = if self.0.escapes {
            escaped(&String::from_utf8_lossy(bytes)).into_bytes()
        } else {
            bytes.to_vec()
        };
        self.0.queue.push(line);
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
        let notice = |count| format!("{count} dropped\n");
        let lossy = Lossy::start(vec![Box::new(Slow(allowed, sender))], notice, false).unwrap();
        let before = dropped();
        let record = vec![b'x'; 64 * 1024];
        for _ in 0..100 {
            lossy.make_writer().write_all(&record).unwrap();
        }
        let lost = dropped() - before;
        assert!((60..=100).contains(&lost), "{lost}");
        let started = std::time::Instant::now();
        lossy.queue().flush(Duration::from_millis(50));
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "it waits for a limited time"
        );
        // The reader reads again.
        drop(allow);
        lossy.queue().flush(Duration::from_mins(1));
        let lines: Vec<_> = written.try_iter().collect();
        let notices: Vec<_> = lines.iter().filter(|line| line.ends_with(b"dropped\n")).collect();
        assert_eq!(lines.len() - notices.len(), 100 - usize::try_from(lost).unwrap());
        assert!(!notices.is_empty());
    }

    #[test]
    fn a_line_for_people_is_one_line_of_text_and_bounded() {
        let line = escaped("task_id=a\nERROR forged\u{1b}[2J\u{202e}x\n");
        assert_eq!(line, "task_id=a\\nERROR forged\\u{1b}[2J\\u{202e}x\n");
        assert!(escaped(&"é".repeat(LINE_BYTES)).len() < LINE_BYTES + 8);
    }
}
