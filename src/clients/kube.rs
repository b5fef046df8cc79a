//! The members of a Kubernetes cluster.
