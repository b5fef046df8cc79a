//! Certificates: who renews them, and renewing what certbot renews.
//!
//! What another program renews is looked at and left to it: two that renew one certificate race each other into the authority's
//! limits.

pub mod file;
pub mod inspect;
pub mod look;
pub mod renew;
