//! Task and outcome in our own types, dispatcher, queue, deadlines.
