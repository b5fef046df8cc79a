//! The operator's own history, from Prometheus, through today's thresholds.
