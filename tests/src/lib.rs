//! Behaviour, golden and cluster suites; see the files of tests/.
