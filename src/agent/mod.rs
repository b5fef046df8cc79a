//! The bounded loop in which a model may investigate and conclude.
