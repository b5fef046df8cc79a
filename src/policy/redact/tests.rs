//! Each kind found in its own form, each known secret in each encoding, and plain text left alone.
//!
//! The samples are put together from pieces at run time, so that no scanner takes this file for a leak.

use proptest::prelude::*;

use super::*;

fn redactor() -> Redactor {
    Redactor::new(vec![])
}

/// `n` letters and digits that look random.
fn random(n: usize) -> String {
    "q7Rz2LmX9vKp4TbN8sWd3HyC6fJg5AeU1oYi".chars().cycle().take(n).collect()
}

fn hex(n: usize) -> String {
    "9f3a1c7e5b2d8046".chars().cycle().take(n).collect()
}

fn upper(n: usize) -> String {
    "Q7RZ2LMX5VKP4TBN6SWD3HYC".chars().cycle().take(n).collect()
}

/// Kind, what stands before, the secret, what stands behind.
type Sample = (&'static str, &'static str, String, &'static str);

fn samples() -> Vec<Sample> {
    [samples_by_form(), samples_by_place()].concat()
}

/// Those that their form gives away.
fn samples_by_form() -> Vec<Sample> {
    let r = random;
    let s = |prefix: &str, tail: String| format!("{prefix}{tail}");
    vec![
        ("Anthropic key", "with ", s("sk-ant-", format!("api03-{}", r(40))), " failed"),
        ("OpenRouter key", "with ", s("sk-or-", format!("v1-{}", hex(64))), ""),
        ("OpenAI key", "with ", s("sk-", format!("proj-{}", r(48))), "."),
        ("OpenAI key", "", s("sk-", r(48)), ""),
        ("Groq key", "", s("gsk_", r(52)), ""),
        ("xAI key", "", s("xai-", r(80)), ""),
        ("Perplexity key", "", s("pplx-", r(48)), ""),
        ("Replicate token", "", s("r8_", r(37)), ""),
        ("Hugging Face token", "", s("hf_", r(34)), ""),
        ("GitHub token", "remote: ", s("ghp_", r(36)), " was revoked"),
        ("GitHub token", "", s("github_pat_", r(82)), ""),
        ("GitLab token", "", s("glpat-", r(20)), ""),
        ("GitLab token", "", s("glrt-", r(20)), ""),
        ("Slack token", "", s("xoxb-", format!("123456789012-{}", r(24))), ""),
        ("Slack token", "", s("xapp-1-", r(40)), ""),
        ("Slack webhook", "https://hooks.slack.com/services/", format!("T0/B0/{}", r(24)), ""),
        ("AWS key id", "", s("AKIA", upper(16)), " is gone"),
        ("AWS secret", "aws_secret_access_key = ", format!("{}/+{}", r(20), r(18)), "\n"),
        ("Google key", "", s("AIza", r(35)), ""),
        ("Google token", "", s("ya29.", r(60)), ""),
        ("Google secret", "", s("GOCSPX-", r(28)), ""),
        ("Stripe key", "", s("sk_live_", r(24)), ""),
        ("Stripe secret", "", s("whsec_", r(32)), ""),
        ("Telegram token", "bot ", format!("123456789:AA{}", r(33)), ""),
        ("Discord webhook", "discord.com/api/webhooks/1234567890/", r(68), ""),
        ("Discord token", "discord says ", format!("M{}.{}.{}", r(24), r(6), r(38)), ""),
        ("ntfy token", "with ", s("tk_", r(29).to_lowercase()), ""),
        ("Tailscale key", "", s("tskey-", format!("auth-{}", r(30))), ""),
        ("npm token", "", s("npm_", r(36)), ""),
        ("PyPI token", "", s("pypi-", format!("AgEIcHlwaS5vcmc{}", r(60))), ""),
        ("RubyGems key", "", s("rubygems_", hex(48)), ""),
        ("crates.io token", "", s("cio", r(32)), ""),
        ("Docker token", "", s("dckr_pat_", r(27)), ""),
        ("SendGrid key", "", format!("SG.{}.{}", r(22), r(43)), ""),
        ("Mailgun key", "", s("key-", hex(32)), ""),
        ("Mailchimp key", "", format!("{}-us12", hex(32)), ""),
        ("Twilio secret", "twilio answered 401 to ", hex(32), ""),
        ("DigitalOcean token", "", s("dop_v1_", hex(64)), ""),
        ("Cloudflare token", "cloudflare dns: ", r(40), ""),
        ("Cloudflare key", "", format!("v1.0-{}-{}", hex(24), hex(146)), ""),
        ("Heroku key", "", s("HRKU-", r(40)), ""),
        ("Vault token", "", s("hvs.", r(90)), ""),
        ("Terraform token", "", format!("{}.atlasv1.{}", r(14), r(67)), ""),
        ("1Password token", "", s("ops_eyJ", r(80)), ""),
        (
            "1Password key",
            "",
            format!("A3-{}-{}-{}-{}-{}", upper(6), upper(6), upper(5), upper(5), upper(5)),
            "",
        ),
        ("Bitwarden token", "bws run with ", format!("0.{}.{}:{}", hex(36), r(30), r(24)), ""),
        ("Grafana token", "", s("glsa_", format!("{}_{}", r(32), hex(8))), ""),
        ("Databricks token", "", s("dapi", hex(32)), ""),
        ("New Relic key", "", s("NRAK-", upper(27)), ""),
        ("Sentry token", "", s("sntryu_", hex(64)), ""),
        ("Shopify token", "", s("shpat_", hex(32)), ""),
        ("Square token", "", s("sq0atp-", r(22)), ""),
        ("Linear key", "", s("lin_api_", r(40)), ""),
        ("Notion token", "", s("ntn_", r(46)), ""),
        ("Postman key", "", format!("PMAK-{}-{}", hex(24), hex(34)), ""),
        ("Pulumi token", "", s("pul-", hex(40)), ""),
        ("Doppler token", "", s("dp.pt.", r(43)), ""),
        ("Atlassian token", "", s("ATATT3", r(180)), ""),
        ("Fly token", "", s("fm2_", r(90)), ""),
        ("PlanetScale token", "", s("pscale_tkn_", r(43)), ""),
        ("Netlify token", "", s("nfp_", r(36)), ""),
        ("Matrix token", "", format!("syt_{}_{}", r(8), r(20)), ""),
        ("Azure key", "DefaultEndpointsProtocol=https;AccountKey=", format!("{}==", r(86)), ";x=y"),
        ("JSON web token", "got ", format!("eyJ{}.eyJ{}.{}", r(20), r(40), r(43)), " back"),
        ("age key", "", s("AGE-SECRET-KEY-1", upper(58)), ""),
        ("password hash", "root:", format!("$6$salt5678${}", r(86)), ":19000:0"),
        ("password hash", "", format!("$2b$12${}", r(53)), ""),
    ]
}

/// Those that only their place gives away.
fn samples_by_place() -> Vec<Sample> {
    let r = random;
    vec![
        ("URL credentials", "postgres://app:", "hunter2".to_owned(), "@db:5432/app"),
        ("URL credentials", "smb://ann:", "p:q@r".to_owned(), "@nas/share"),
        ("URL credentials", "https://", r(40), "@git.example.org/x"),
        ("URL credentials", "redis://:", "hunter2".to_owned(), "@cache"),
        ("URL key", "GET /feed?user=1&apikey=", "abcdef12".to_owned(), "&x=1 HTTP/1.1"),
        ("URL key", "https://x/y?sig=", r(30), "&se=2"),
        ("authorization", "Authorization: ", "Basic dXNlcjpwYXNz".to_owned(), "\r\nHost: x"),
        ("authorization", "-H 'Authorization: ", "Bearer abc".to_owned(), "' https://x"),
        ("authorization", "{\"authorization\":\"", "Digest username=x".to_owned(), "\"}"),
        ("authorization", "Proxy-Authorization: ", "NTLM TlRMTVNTUAAB".to_owned(), ""),
        ("bearer token", "sent bearer ", r(20), " to x"),
        ("cookie", "Cookie: ", "sid=abc; theme=dark".to_owned(), "\nHost: x"),
        ("cookie", "set-cookie: ", "sid=abc; HttpOnly".to_owned(), ""),
        ("password", "password=", "hunter2".to_owned(), " user=x"),
        ("password", "DB_PASSWORD=", "hunter2".to_owned(), ""),
        ("password", "MYSQL_PWD: ", "hunter2".to_owned(), ""),
        ("password", "passphrase = \"", "correct horse".to_owned(), "\""),
        ("password", "{\"password\": \"", "a \\\"quoted\\\" one".to_owned(), "\"}"),
        ("password", "log: {\\\"password\\\":\\\"", "hunter2".to_owned(), "\\\"}"),
        ("password", "password => '", "hunter 2".to_owned(), "'"),
        ("password", "passwd := ", "hunter2".to_owned(), ""),
        ("password", "pass: ", "hunter2".to_owned(), ""),
        ("password", "(user=x, pwd=", "hunter2".to_owned(), ")"),
        ("token", "X-Plex-Token=", "hunter2".to_owned(), ""),
        ("token", "access_token: ", "hunter2".to_owned(), ""),
        ("secret", "client_secret=", "hunter2".to_owned(), "&grant_type=x"),
        ("secret", "SECRET_KEY = '", "hunter2".to_owned(), "'"),
        ("key", "api-key: ", "hunter2".to_owned(), ""),
        ("key", "X-Api-Key: ", "hunter2".to_owned(), ""),
        ("key", "PrivateKey = ", format!("{}=", r(43)), ""),
        ("key", "PresharedKey = ", format!("{}=", r(43)), ""),
        ("credential", "credentials: ", "hunter2".to_owned(), ""),
        ("option", "mysqldump --password ", "hunter2".to_owned(), " app"),
        ("option", "reef --auth-token ", "hunter2".to_owned(), ""),
        ("element", "<password>", "hunter2".to_owned(), "</password>"),
        ("netrc password", "machine x login ann password ", "hunter2".to_owned(), ""),
        ("high entropy", "csrf_salt=", r(32), ""),
    ]
}

#[test]
fn each_kind_is_found_and_what_stands_around_it_stays() {
    let redactor = redactor();
    for (kind, before, secret, behind) in samples() {
        let text = format!("{before}{secret}{behind}");
        let want = format!("{before}[redacted {kind}]{behind}");
        assert_eq!(redactor.redact(&text), want, "{text}");
    }
}

#[test]
fn every_rule_compiles_has_keywords_and_a_sample() {
    let samples = samples();
    for rule in RULES {
        assert!(Regex::new(rule.pattern).is_ok(), "{}", rule.kind);
        assert!(!rule.keywords.is_empty(), "{}", rule.kind);
        for keyword in rule.keywords {
            assert!(3 <= keyword.len() && *keyword == keyword.to_lowercase(), "{keyword}");
        }
        let sampled = rule.kind == "private key" || samples.iter().any(|(k, ..)| *k == rule.kind);
        assert!(sampled, "no sample of {}", rule.kind);
        assert!(!rule.kind.contains([']', '[']), "{}", rule.kind);
    }
    let mut kinds: Vec<_> = RULES.iter().map(|rule| rule.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(40 <= kinds.len(), "{} kinds", kinds.len());
}

#[test]
fn a_private_key_goes_whole_even_when_it_is_cut() {
    let redactor = redactor();
    for kind in ["", "RSA ", "OPENSSH ", "EC ", "ENCRYPTED "] {
        let begin =
            format!("-----BEGIN {kind}PRIVATE {}-----\n{}\n{}\n", "KEY", random(64), random(30));
        let whole = format!("a\n{begin}-----END {kind}PRIVATE {}-----\nb", "KEY");
        assert_eq!(redactor.redact(&whole), "a\n[redacted private key]\nb");
        assert_eq!(redactor.redact(&begin), "[redacted private key]");
    }
    let public = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----";
    assert_eq!(redactor.redact(public), public);
}

#[test]
fn plain_text_is_left_alone() {
    let redactor = redactor();
    for text in [
        "",
        "Aug 12 03:20:01 mini sshd[812]: Failed password for root from 10.0.0.9 port 4242 ssh2",
        "Accepted publickey for ann from 10.0.0.9 port 22: ED25519 SHA256:short",
        "nginx.service: Main process exited, code=exited, status=1/FAILURE",
        "disk-usage of /var is 91 %, 3 GiB free",
        "task-queue-with-a-long-name-that-goes-on is late",
        "max_tokens=4096 tokens: 1234",
        "password: ${DB_PASSWORD} token=<none> secret: null pass=*****",
        "password =",
        "{\"password\":\"\"}",
        "key: value",
        "https://example.org/a/b?page=2&q=x",
        "see https://example.org:8443/x@y",
        "mail to ann@example.org",
        "bypass: on, compass: north",
        "a monkey: see",
        "0.5 % of 12345678: AAPL",
        "überall Zeichen – und mehr",
    ] {
        assert!(matches!(redactor.redact(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn known_secrets_are_found_in_every_form() {
    let secret = "tr\u{fc}b \"sal&t\"/42";
    let redactor = Redactor::new(vec![SecretString::from(secret)]);
    let b = secret.as_bytes();
    let hexed: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        hexed.to_uppercase(),
        hexed,
        "tr%C3%BCb%20%22sal%26t%22%2F42".to_owned(),
        "tr%c3%bcb%20%22sal%26t%22%2f42".to_owned(),
        "tr%C3%BCb+%22sal%26t%22%2F42".to_owned(),
        "tr\u{fc}b \\\"sal&t\\\"/42".to_owned(),
    ];
    for before in ["", "u", "us", "user:"] {
        let text = format!("{before}{secret}");
        let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
        for alphabet in ["+/", "-_"] {
            let letters: Vec<char> =
                ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(alphabet.chars()).collect();
            let encoded = bits.as_bytes().chunks(6).map(|six| {
                let six = std::str::from_utf8(six).unwrap();
                letters[usize::from_str_radix(&format!("{six:0<6}"), 2).unwrap()]
            });
            forms.push(encoded.collect());
        }
    }
    for form in forms {
        let clean = redactor.redact(&form).into_owned();
        assert!(clean.contains("[redacted known secret]"), "{form} -> {clean}");
        assert!(clean.len() <= "[redacted known secret]".len() + 12, "{form} -> {clean}");
    }
    assert_eq!(redactor.redact(&format!("a {secret} b")), "a [redacted known secret] b");
}

#[test]
fn secrets_too_short_to_tell_are_left_out() {
    let short = Redactor::new(vec![SecretString::from("abc"), SecretString::from("  ")]);
    assert_eq!(short.redact("abc  abc"), "abc  abc");
    let four = Redactor::new(vec![SecretString::from("a4c!\n")]);
    assert_eq!(four.redact("is a4c! ok"), "is [redacted known secret] ok");
}

#[test]
fn one_secret_beside_another_is_found_too() {
    let token = format!("ghp_{}", random(36));
    let redactor = Redactor::new(vec![SecretString::from("known4242")]);
    let clean = redactor.redact(&format!("known4242{token}")).into_owned();
    assert!(!clean.contains("ghp_") && !clean.contains("known4242"), "{clean}");
}

#[test]
fn a_marker_of_its_own_making_hides_nothing() {
    let redactor = redactor();
    for (text, want) in [
        ("password=hunter2[redacted token]", "password=[redacted password][redacted token]"),
        ("password=[redacted hunter2]", "password=[redacted password]hunter2]"),
        ("[redacted token]password=hunter2", "[redacted token]password=[redacted password]"),
    ] {
        let clean = redactor.redact(text).into_owned();
        assert!(text.contains("[redacted hunter2") || !clean.contains("hunter2"), "{clean}");
        if !text.contains("[redacted hunter2") {
            assert_eq!(clean, want);
        }
    }
}

#[test]
fn it_tells_nothing_of_itself() {
    let redactor = Redactor::new(vec![SecretString::from("hunter2222")]);
    assert_eq!(format!("{redactor:?}"), "Redactor(..)");
}

#[test]
fn twice_is_as_once_and_nothing_panics() {
    // Built once: the patterns compile once.
    let redactor = Redactor::new(vec![SecretString::from("known4242")]);
    let sample = prop::sample::select(samples())
        .prop_map(|(_, before, secret, behind)| format!("{before}{secret}{behind}"));
    let part = prop_oneof![
        ".{0,20}",
        sample,
        Just("[redacted token]".to_owned()),
        Just("[redacted ".to_owned()),
        Just("known4242".to_owned()),
        Just("password=".to_owned()),
    ];
    proptest!(|(parts in prop::collection::vec(part, 0..8))| {
        let once = redactor.redact(&parts.concat()).into_owned();
        prop_assert!(!once.contains("known4242"));
        prop_assert_eq!(redactor.redact(&once), once.as_str());
    });
}

proptest! {
    #[test]
    fn a_known_secret_is_nowhere_in_the_result(secret in "[ -~]{8,24}", before in "[ -~]{0,20}", behind in "[ -~]{0,20}") {
        prop_assume!(secret.trim().len() == secret.len() && !"[redacted known secret]".contains(&secret));
        let redactor = Redactor::new(vec![SecretString::from(secret.clone())]);
        let clean = redactor.redact(&format!("{before}{secret}{behind}")).into_owned();
        prop_assert!(!clean.contains(&secret), "{}", clean);
    }
}
