//! Services on loopback: a listener for each port, balancing over the ready endpoints.
