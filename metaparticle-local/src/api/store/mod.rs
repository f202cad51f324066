//! The store: objects under one increasing revision, and the events since the last compaction.
