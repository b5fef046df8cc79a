//! A real kill by the kernel for want of memory.

use crate::lab::{Home, Lab, list};

#[test]
fn a_kill_for_want_of_memory_is_red_and_asked_about() {
    let home = Home::new(
        r#"
ceiling = "auto"
[web]
listen = "off"
[probe]
off = ["disk", "memory", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef"]
oom = { every = "4s" }
[runbook.memory-pressure]
leash = "auto"
"#,
    );
    let reef = home.start();
    reef.until_green();
    let Some(kill) = Lab::up("oom", "it-oom", &[]) else { return };
    assert_eq!(kill.get("KILLED"), "1");
    let incident = reef.until("a red incident", |reef| reef.incidents().pop());
    assert!(incident["red_at"].is_number(), "{incident:#}");
    let words = incident["reading"]["words"].as_str().unwrap();
    assert!(
        words.contains("killed for want of memory") && words.contains("reef-lab-oom"),
        "{words}"
    );
    let asked = reef.until("a question", |reef| reef.approvals().pop());
    let question = asked["question"].as_str().unwrap();
    assert!(question.contains(words) && question.contains("The largest is"), "{question}");
    // What uses most here is nobody's to restart: the choices are the human's alone.
    let choices = list(&asked, "choices");
    let said: Vec<&str> = choices.iter().map(|c| c["say"].as_str().unwrap()).collect();
    assert_eq!(said, ["I will handle it", "Leave it"]);
    assert!(choices.iter().all(|c| c["plan"].is_null()), "{asked:#}");
    let records = reef.records("asked");
    assert_eq!(records[0]["payload"]["runbook"], "memory-pressure", "{records:#?}");
    assert!(reef.records("dispatched").is_empty());
}
