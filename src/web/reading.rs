//! A report as a page: Markdown in, HTML without a way out.

use maud::{PreEscaped, html};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::web::page;

/// The latest report as a whole page. HTML in it is shown as text; links and images leave their words.
pub fn report(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::empty()).filter_map(harmless);
    let mut body = String::with_capacity(markdown.len() * 2);
    pulldown_cmark::html::push_html(&mut body, events);
    let body = html! {
        nav { a href="/" { "← now" } }
        article.report { (PreEscaped(body)) }
    };
    page::frame("reef: report", page::Refresh::Never, &body)
}

fn harmless(event: Event<'_>) -> Option<Event<'_>> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock)
        | Event::End(TagEnd::Link | TagEnd::Image | TagEnd::HtmlBlock) => None,
        Event::Start(_)
        | Event::End(_)
        | Event::Text(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule
        | Event::TaskListMarker(_) => Some(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_nothing_in_it_runs_or_loads() {
        let page = report(
            "# Wed\n\n**Nothing needs you.**\n\n- a `code` & more\n\n<script>alert(1)</script>\n\n\
             x <img src=x onerror=y> [go](https://evil.example) ![pix](https://evil.example/p.png)\n\n\
             <https://evil.example>\n\n```<script>\nx\n```\n",
        );
        for want in [
            "<h1>Wed</h1>",
            "<strong>Nothing needs you.</strong>",
            "<code>code</code> &amp; more",
            "&lt;script&gt;alert(1)",
            "x &lt;img src=x onerror=y&gt; go pix",
        ] {
            assert!(page.contains(want), "{want} is not in {page}");
        }
        for bad in ["<script", "<img", "href=\"http", "src=\""] {
            assert!(!page.contains(bad), "{bad} is in {page}");
        }
    }
}
