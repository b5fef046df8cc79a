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
        book!("certificate-file"),
        book!("compose-update"),
        book!("container-crashloop"),
        book!("container-oom"),
        book!("container-unhealthy"),
        book!("cpu"),
        book!("disk-full"),
        book!("dns"),
        book!("error-disk-space"),
        book!("error-spike"),
        book!("host-down"),
        book!("http-down"),
        #[cfg(feature = "kube")]
        book!("kube-node-not-ready"),
        book!("log-rotation"),
        book!("memory-pressure"),
        book!("nas-unreachable"),
        #[cfg(feature = "kube")]
        book!("pod-crashloop"),
        #[cfg(feature = "postgres")]
        book!("replication-lag"),
        book!("service-failed"),
        book!("terraform-drift"),
    ]
}
