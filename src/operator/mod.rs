//! What a human may do; every surface calls it.
