//! The status page in a real Chromium: what it shows, in light and dark, wide and narrow, and that it does nothing else.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::page::{admin, with_a_past};
use crate::support::chromium::{self, Chromium};
use crate::support::{eventually, http};
use crate::world::LONG;

/// Each text, what it is drawn on, and how far apart the two are (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r"(() => {
    const rgb = (text) => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const color = rgb(getComputedStyle(node).backgroundColor);
            if (color.length < 4 || color[3] > 0) return color;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes].some((child) => child.nodeType == 3 && child.textContent.trim());
        if (!own || node.closest('svg title, svg desc') || !node.checkVisibility()) continue;
        const style = getComputedStyle(node);
        const [a, b] = [light(rgb(node.closest('svg') ? style.fill : style.color)), light(ground(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(node.tagName + ' ' + node.textContent.slice(0, 40) + ' ' + ratio.toFixed(2));
    }
    return poor;
})()";

const SHAPE: &str = r"({
    title: document.title,
    h1: document.querySelector('h1').textContent,
    headings: [...document.querySelectorAll('h2')].map((one) => one.textContent),
    landmarks: ['header', 'main', 'footer', 'nav'].filter((name) => document.querySelectorAll(name).length == 1),
    unlabelled: [...document.querySelectorAll('section')].filter((one) => !one.ariaLabel && !document.getElementById(one.getAttribute('aria-labelledby'))).length,
    unscoped: [...document.querySelectorAll('th')].filter((one) => !one.scope).length,
    drawn: document.querySelectorAll('.time svg rect.final, .time svg rect.checkpoint').length,
    described: [...document.querySelectorAll('svg[role=img]')].every((one) => one.ariaLabel || document.getElementById('tl-title').textContent),
    lang: document.documentElement.lang,
    scripts: document.scripts.length,
    images: document.images.length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    ground: getComputedStyle(document.body).backgroundColor,
    rows: document.querySelectorAll('section[aria-labelledby=history] tbody tr').length,
    text: document.body.innerText,
})";

#[test]
fn the_page_is_whole_legible_and_silent_in_a_real_browser() {
    if !chromium::installed() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "there is no Chromium: tests/chromium.sh gets it");
        return eprintln!("left out: there is no Chromium; tests/chromium.sh gets it");
    }
    let (world, process) = with_a_past();
    let port = admin(&process);
    let url = format!("http://127.0.0.1:{port}/");
    eventually("the plan", LONG, || {
        let status = http::json(port, "/api/v1/status")?;
        (status["next"]["path"].is_string() && status["newest"]["bytes"].is_u64()).then_some(())
    });
    let mut browser = Chromium::start();
    let mut grounds = Vec::new();
    for (width, height, dark) in [(1_280, 900, false), (1_280, 900, true), (360, 740, false), (360, 740, true)] {
        let what = format!("{width} {}", if dark { "dark" } else { "light" });
        browser.open(&url, width, height, dark);
        let shape = browser.evaluate(SHAPE);
        assert_eq!(shape["title"], "Safe: orders – savepointd");
        assert!(shape["h1"].as_str().unwrap().contains("State is safe: the newest checkpoint is"), "{}", shape["h1"]);
        let headings = ["Now", "Next start", "Commands", "A stop, if it came now", "History", "Configuration"];
        assert_eq!(shape["headings"], Value::from(headings.as_slice()), "{what}");
        assert_eq!(shape["landmarks"].as_array().unwrap().len(), 4, "{what}");
        for none in ["unlabelled", "unscoped", "scripts", "images", "overflow"] {
            assert_eq!(shape[none], 0, "{what}: {none}");
        }
        assert_eq!((&shape["described"], &shape["lang"]), (&true.into(), &"en".into()), "{what}");
        // Two final savepoints or checkpoints of stops, the newest checkpoint, and what the first two took.
        assert!(shape["drawn"].as_u64().unwrap() >= 3 && shape["rows"].as_u64().unwrap() >= 4, "{what}: {shape:#}");
        assert!(shape["text"].as_str().unwrap().contains("<script>alert(1)</script>"), "hostile texts are texts");
        assert_eq!(browser.evaluate(CONTRAST), Value::Array(Vec::new()), "{what}");
        let fetched: Vec<_> = browser.fetched().into_iter().filter(|one| !one.starts_with("data:")).collect();
        assert_eq!(fetched, [url.as_str()], "{what}");
        assert!(browser.complaints().is_empty(), "{what}: {:#?}", browser.complaints());
        grounds.push(shape["ground"].clone());
        keep_picture(&mut browser, &what);
    }
    assert!(grounds[0] != grounds[1] && grounds[0] == grounds[2] && grounds[1] == grounds[3], "{grounds:?}");
    drop(browser);
    world.stopped_with_savepoint(process);
}

/// For whoever wants to look: `SPTEST_PICTURES` names a directory.
fn keep_picture(browser: &mut Chromium, what: &str) {
    let Some(directory) = std::env::var_os("SPTEST_PICTURES") else { return };
    let file = std::fs::File::create(std::path::Path::new(&directory).join(format!("{what}.png"))).unwrap();
    let mut decoding = Command::new("base64").arg("--decode").stdin(Stdio::piped()).stdout(file).spawn().unwrap();
    decoding.stdin.take().unwrap().write_all(browser.picture().as_bytes()).unwrap();
    assert!(decoding.wait().unwrap().success());
}
