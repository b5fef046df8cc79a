//! What secrets look like: one row a kind. A row runs only on text that holds one of its keywords.

/// What the found value must be besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// The pattern says it all.
    Anything,
    /// Not an empty word, a reference or a mask: what stands behind `password=`.
    Value,
    /// As mixed as only a machine writes.
    Mixed,
}

/// One kind of secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) kind: &'static str,
    /// In lower case, at least three bytes; every match holds one of them, in any case.
    pub(super) keywords: &'static [&'static str],
    /// The last group that takes part is the secret; without groups the whole match.
    pub(super) pattern: &'static str,
    pub(super) value: Takes,
}

impl Takes {
    pub(super) fn takes(self, value: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Value => !is_no_secret(value),
            Self::Mixed => is_mixed(value),
        }
    }
}

/// References, masks and plain words of a setting.
fn is_no_secret(value: &str) -> bool {
    const WORDS: &[&str] =
        &["true", "false", "null", "none", "nil", "yes", "no", "required", "optional"];
    let lower = value.to_ascii_lowercase();
    WORDS.contains(&lower.as_str())
        || value.chars().all(|c| "*xX.•-".contains(c))
        || value.starts_with("${")
        || value.starts_with("{{")
        || (value.starts_with('<') && value.ends_with('>'))
}

/// At least 3.5 bits a byte, and digits among letters.
fn is_mixed(value: &str) -> bool {
    let n = value.len();
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    if n < 20 || !has(u8::is_ascii_digit) || !has(u8::is_ascii_alphabetic) {
        return false;
    }
    let mut counts = [0_u32; 256];
    value.bytes().for_each(|b| counts[usize::from(b)] += 1);
    let n = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let share = |count: &u32| f64::from(*count) / n;
    let bits: f64 = counts.iter().filter(|c| 0 < **c).map(share).map(|p| -p * p.log2()).sum();
    3.5 <= bits
}

const fn rule(
    kind: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    Rule { kind, keywords, pattern, value: Takes::Anything }
}

const fn pair(
    kind: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    Rule { kind, keywords, pattern, value: Takes::Value }
}

/// Behind a name: `=`, `:`, `=>`, `:=`, quoted in either way, escaped or bare.
macro_rules! named {
    ($name:literal) => {
        concat!(
            r#"(?i)(?:"#,
            $name,
            r#")\\?["']?\s{0,4}(?::=|=>|=|:)\s{0,4}(?:\\"([^"\\\r\n]+)|"((?:[^"\\\r\n]|\\.)+)|\\?'([^'\\\r\n]+)|([^\s"'\\,;&}\])=>:][^\s"'\\,;&}\])]*))"#
        )
    };
}

pub(super) const RULES: &[Rule] = &[
    // Whole blocks first: what lies in them is part of them.
    rule(
        "private key",
        &["private key"],
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    rule("age key", &["age-secret-key-"], r"(?i)AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{20,}"),
    // Providers whose keys carry a prefix.
    rule("Anthropic key", &["sk-ant-"], r"sk-ant-[A-Za-z0-9_-]{16,}"),
    rule("OpenRouter key", &["sk-or-"], r"sk-or-[A-Za-z0-9_-]{20,}"),
    rule("OpenAI key", &["sk-"], r"(?-u:\b)sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    rule("Groq key", &["gsk_"], r"(?-u:\b)gsk_[A-Za-z0-9]{40,}"),
    rule("xAI key", &["xai-"], r"(?-u:\b)xai-[A-Za-z0-9]{40,}"),
    rule("Perplexity key", &["pplx-"], r"(?-u:\b)pplx-[A-Za-z0-9]{32,}"),
    rule("Replicate token", &["r8_"], r"(?-u:\b)r8_[A-Za-z0-9]{30,}"),
    rule("Hugging Face token", &["hf_", "api_org_"], r"(?-u:\b)(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    rule(
        "GitHub token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"(?-u:\b)gh[pousr]_[A-Za-z0-9]{30,}",
    ),
    rule("GitHub token", &["github_pat_"], r"github_pat_[A-Za-z0-9_]{22,}"),
    rule(
        "GitLab token",
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-",
            "glcbt-", "glsoat-",
        ],
        r"(?-u:\b)gl(?:pat|dt|rt|ptt|ft|imt|agent|oas|cbt|soat)-[A-Za-z0-9_.-]{20,}",
    ),
    rule("Slack token", &["xox"], r"(?-u:\b)xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    rule("Slack token", &["xapp-"], r"(?-u:\b)xapp-[0-9]-[A-Za-z0-9-]{20,}"),
    rule(
        "Slack webhook",
        &["hooks.slack.com"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{16,})",
    ),
    rule(
        "AWS key id",
        &["akia", "asia", "abia", "acca"],
        r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?-u:\b)",
    ),
    rule(
        "AWS secret",
        &["aws", "secretaccesskey"],
        r#"(?i)(?:aws[\w.\- ]{0,30}|secretaccesskey)["']?[\s:=>"']{1,8}([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
    ),
    rule("Google key", &["aiza"], r"(?-u:\b)AIza[0-9A-Za-z_-]{35}"),
    rule("Google token", &["ya29."], r"(?-u:\b)ya29\.[0-9A-Za-z_-]{20,}"),
    rule("Google secret", &["gocspx-"], r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    rule(
        "Stripe key",
        &["_live_", "_test_"],
        r"(?-u:\b)(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{16,}",
    ),
    rule("Stripe secret", &["whsec_"], r"whsec_[A-Za-z0-9+/=]{24,}"),
    rule("Telegram token", &[":aa"], r"(?:^|[^0-9])([0-9]{8,10}:AA[A-Za-z0-9_-]{32,})"),
    rule("Discord webhook", &["/api/webhooks/"], r"/api/webhooks/[0-9]{5,}/([A-Za-z0-9_-]{20,})"),
    rule(
        "Discord token",
        &["discord"],
        r"(?i)discord[\s\S]{0,60}?([MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,})",
    ),
    rule("ntfy token", &["tk_"], r"(?-u:\b)tk_[a-z0-9]{29}(?-u:\b)"),
    rule("Tailscale key", &["tskey-"], r"tskey-[A-Za-z0-9-]{16,}"),
    rule("npm token", &["npm_"], r"(?-u:\b)npm_[A-Za-z0-9]{30,}"),
    rule("PyPI token", &["pypi-"], r"(?-u:\b)pypi-[A-Za-z0-9_-]{50,}"),
    rule("RubyGems key", &["rubygems_"], r"rubygems_[a-f0-9]{32,}"),
    rule("crates.io token", &["cio"], r"(?-u:\b)cio[A-Za-z0-9]{32}(?-u:\b)"),
    rule("Docker token", &["dckr_"], r"dckr_[a-z]{3}_[A-Za-z0-9_-]{20,}"),
    rule("SendGrid key", &["sg."], r"(?-u:\b)SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}"),
    rule("Mailgun key", &["key-"], r"(?-u:\b)key-[0-9a-f]{32}(?-u:\b)"),
    rule("Mailchimp key", &["-us"], r"(?-u:\b)[0-9a-f]{32}-us[0-9]{1,2}(?-u:\b)"),
    rule(
        "Twilio secret",
        &["twilio"],
        r"(?i)twilio[\s\S]{0,60}?(?-u:\b)((?:SK)?[0-9a-f]{32})(?-u:\b)",
    ),
    rule("DigitalOcean token", &["_v1_"], r"(?-u:\b)do[opr]_v1_[a-f0-9]{40,}"),
    rule(
        "Cloudflare token",
        &["cloudflare", "cf_"],
        r"(?i)(?:cloudflare|cf_)[\s\S]{0,40}?[\s:=]['\x22]?([A-Za-z0-9_-]{37,40})(?-u:\b)",
    ),
    rule("Cloudflare key", &["v1.0-"], r"(?-u:\b)v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}"),
    rule("Heroku key", &["hrku-"], r"HRKU-[A-Za-z0-9_-]{30,}"),
    rule("Vault token", &["hvs.", "hvb.", "hvr."], r"(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    rule("Terraform token", &[".atlasv1."], r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}"),
    rule("1Password token", &["ops_eyj"], r"ops_eyJ[A-Za-z0-9_-]{40,}"),
    rule("1Password key", &["a3-"], r"(?-u:\b)A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,6}-){3,4}[A-Z0-9]{5}"),
    rule(
        "Bitwarden token",
        &["bws", "bitwarden"],
        r"(?i)(?:bws|bitwarden)[\s\S]{0,40}?(0\.[0-9a-f-]{36}\.[A-Za-z0-9]{20,}:[A-Za-z0-9+/=]{20,})",
    ),
    rule("Grafana token", &["glsa_", "glc_"], r"(?-u:\b)gl(?:sa|c)_[A-Za-z0-9+/=_]{32,}"),
    rule("Databricks token", &["dapi"], r"(?-u:\b)dapi[0-9a-f]{32}"),
    rule("New Relic key", &["nrak-", "nrii-"], r"(?-u:\b)NR(?:AK|II)-[A-Za-z0-9_-]{24,}"),
    rule("Sentry token", &["sntry"], r"(?-u:\b)sntry[su]_[A-Za-z0-9+/=_]{40,}"),
    rule(
        "Shopify token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"(?-u:\b)shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    ),
    rule("Square token", &["sq0"], r"(?-u:\b)sq0[a-z]{3}-[A-Za-z0-9_-]{22,}"),
    rule("Linear key", &["lin_api_"], r"lin_api_[A-Za-z0-9]{32,}"),
    rule("Notion token", &["ntn_", "secret_"], r"(?-u:\b)(?:ntn|secret)_[A-Za-z0-9]{40,}"),
    rule("Postman key", &["pmak-"], r"PMAK-[a-f0-9]{24}-[a-f0-9]{30,}"),
    rule("Pulumi token", &["pul-"], r"(?-u:\b)pul-[a-f0-9]{40}"),
    rule("Doppler token", &["dp."], r"(?-u:\b)dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,}"),
    rule("Atlassian token", &["atatt3"], r"ATATT3[A-Za-z0-9_=-]{40,}"),
    rule("Fly token", &["fm2_", "fo1_"], r"(?-u:\b)(?:fm2|fo1)_[A-Za-z0-9+/=_-]{40,}"),
    rule("PlanetScale token", &["pscale_"], r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}"),
    rule("Netlify token", &["nfp_"], r"(?-u:\b)nfp_[A-Za-z0-9]{32,}"),
    rule("Matrix token", &["syt_"], r"(?-u:\b)syt_[A-Za-z0-9_=-]{24,}"),
    rule(
        "Azure key",
        &["accountkey=", "sharedaccesskey="],
        r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})",
    ),
    rule(
        "JSON web token",
        &["eyj"],
        r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    rule(
        "password hash",
        &["$1$", "$5$", "$6$", "$y$", "$2a$", "$2b$", "$2y$", "$apr1$", "$argon2"],
        r#"\$(?:1|5|6|y|2[aby]|apr1|argon2(?:id?|d))\$[^\s:"']{16,}"#,
    ),
    // By where they stand.
    rule(
        "URL credentials",
        &["://"],
        r#"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^\s/:@"'<>]{0,200}:([^\s/"'<>]+)|([^\s/:@"'<>]{16,}))@"#,
    ),
    pair(
        "URL key",
        &["key=", "sig=", "signature=", "auth=", "hash="],
        r#"(?i)[?&](?:[a-z0-9_-]{0,40}(?:key|sig|signature|auth|hash))=([^&;\s"'<>#]{6,})"#,
    ),
    pair(
        "authorization",
        &["authorization"],
        r#"(?i)authorization\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?([^\s"'\\][^\r\n"'\\]*)"#,
    ),
    rule("bearer token", &["bearer"], r"(?i)(?-u:\b)bearer\s{1,4}([A-Za-z0-9._~+/=-]{8,})"),
    pair(
        "cookie",
        &["cookie"],
        r#"(?i)cookie\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?([^\s"'\\][^\r\n"'\\]*)"#,
    ),
    pair(
        "password",
        &["passw", "passphrase", "_pass", "pass=", "pass:", "pass\"", "pwd"],
        named!(r"passw(?:or)?d|passphrase|(?:^|[^a-z])(?:pass|pwd|pw)|[a-z]pwd"),
    ),
    pair("token", &["token"], named!("token")),
    pair("secret", &["secret"], named!(r"secret(?:[_-]?(?:key|id|access[_-]?key))?")),
    pair(
        "key",
        &["key"],
        named!(
            r"(?:api|app|access|auth|private|encryption|signing|master|(?:pre)?shared|account|service|license|client|gotify|storage|webhook|hmac|jwt|session|application)[_ -]?key(?:[_-]?data)?"
        ),
    ),
    pair("credential", &["credential"], named!("credentials?")),
    pair(
        "option",
        &["--pass", "--token", "--secret", "--api", "--auth", "--access"],
        r#"(?i)--(?:[a-z-]{0,20}(?:password|passwd|passphrase|token|secret|api-?key|access-?key))[= ]\s{0,4}["']?([^\s"']+)"#,
    ),
    pair(
        "element",
        &["<pass", "<secret", "<token", "<api"],
        r"(?i)<(?:passw(?:or)?d|passphrase|pass|secret|token|api_?key)[^<>]{0,60}>([^<]{1,500})<",
    ),
    pair("netrc password", &["login"], r"(?i)login\s{1,8}\S{1,200}\s{1,8}password\s{1,8}(\S+)"),
    Rule {
        kind: "high entropy",
        keywords: &["key", "secret", "token", "auth", "cred", "salt", "seed", "nonce", "session"],
        pattern: r#"(?i)(?:key|secret|token|auth|cred|salt|seed|nonce|session)[a-z0-9_.-]{0,30}["']?[\s:=>]{1,6}["']?([A-Za-z0-9+/_=-]{20,})"#,
        value: Takes::Mixed,
    },
];
