//! The `.c1z` file: schema, rows, writer, container, reader, limits (c1z.md §2–5).
