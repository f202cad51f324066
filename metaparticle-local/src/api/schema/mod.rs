//! The types of the served kinds: fields, lists and their keys, maps, defaults. Read from a committed table.
