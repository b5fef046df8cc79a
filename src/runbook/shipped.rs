//! The runbooks that come with the binary.

macro_rules! book {
    ($name:literal) => {
        ($name, include_str!(concat!("../../runbooks/", $name, ".md")))
    };
}

/// Name and text of each.
pub fn shipped() -> Vec<(&'static str, &'static str)> {
    vec![
        book!("certificate"),
        book!("cpu"),
        book!("disk-full"),
        book!("error-disk-space"),
        book!("error-spike"),
        book!("http-down"),
        #[cfg(feature = "kube")]
        book!("kube-node-not-ready"),
        book!("memory-pressure"),
        #[cfg(feature = "kube")]
        book!("pod-crashloop"),
        book!("service-failed"),
    ]
}
