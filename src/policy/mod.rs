//! Pure verdicts: values in, values out, no I/O and no await.

pub mod argv;
