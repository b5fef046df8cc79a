//! Pure verdicts: values in, values out. Nothing here does I/O, awaits or reads a clock; `now` is
//! passed in, and what cannot be judged is forbidden, unknown or critical.
//!
//! - [`argv`]: commands as argument vectors, and which of them provably only read
//! - [`threshold`]: a number against its levels, with hysteresis
//! - [`triage`]: one signal from look to look; [`tree`]: all signals together, and the hold
//! - [`baseline`]: what is usual for a number; [`trend`]: where it is heading; [`rate`]: how often
//!   something restarts; [`renewal`]: whether a certificate should have been renewed by now;
//!   [`coincide`]: which change they coincide with
//! - [`leash`]: tier, leash and origin give a verdict
//! - [`earned`]: what a record must show before a leash may be let out
//! - [`fact`]: past actions as the folds see them; [`limits`] and [`breaker`]: those folds
//! - [`forbidden`]: what no leash and no approval allows; [`hours`]: when something may happen at all
//! - [`judge`]: the strictest of all of them, for one step
//! - [`denied`]: the missing right behind a failure, and the grant that would serve
//! - [`telling`]: quiet hours, silences, the storm cap: when and how much the human is told
//! - [`confirm`]: what a human typed, as a confirmation; [`inventory`]: what is kept about a host
//! - [`budget`]: caps and prices of model calls
//! - [`redact`]: secrets out of text; [`template`]: log lines to templates; [`fence`]: tainted text
//!   into a prompt

pub mod argv;
pub mod baseline;
pub mod breaker;
pub mod budget;
pub mod coincide;
pub mod confirm;
pub mod denied;
pub mod earned;
pub mod fact;
pub mod fence;
pub mod forbidden;
pub mod growth;
pub mod hours;
pub mod inventory;
pub mod judge;
pub mod leash;
pub mod limits;
pub mod rate;
pub mod redact;
pub mod renewal;
pub mod renewer;
pub mod telling;
pub mod template;
pub mod threshold;
pub mod tree;
pub mod trend;
pub mod triage;
