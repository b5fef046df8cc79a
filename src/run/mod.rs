//! Carries one plan from inquiry to ending; the only executor of plans.
