//! The console in a real browser, over a mesh with a year of real invoices: read, filtered, in both languages, and moving.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tiermesh_domain::time::{DAY_MS, Millis, format_instant};
use tiermesh_testkit::{Browser, browser, wait_for};

use crate::{
    data::{moved, ndjson, now, retail_events, root},
    mesh_process::{PATIENCE, run},
    running::Mesh,
};

/// A customer whose id would be markup if anything took it for that.
const MARKUP: &str = "<img src=x onerror=document.title='taken'>";

/// The year of invoices, moved so that it ends now, behind who looks after each customer and where.
fn year(now: Millis) -> Vec<Value> {
    let mut year = moved(&retail_events(), 400 * DAY_MS, now - 60_000);
    let customers: BTreeSet<String> = year.iter().map(|event| event["subject"].as_str().unwrap().to_owned()).collect();
    let owners = ["Ada Mills", "Ben Okoro", "Chen Wei", "Dina Ruiz"];
    let regions = ["North", "South", "East", "West", "Overseas"];
    let profile = |(number, customer): (usize, &String)| {
        json!({
            "specversion": "1.0", "id": format!("p-{customer}"), "source": "crm", "type": "tiermesh.profile.updated",
            "subject": customer, "time": format_instant(now - 399 * DAY_MS),
            "data": {"owner": owners[number % owners.len()], "region": regions[number % regions.len()]},
        })
    };
    year.extend(customers.iter().enumerate().map(profile).collect::<Vec<_>>());
    year
}

/// A mesh with the year, the score card that suits that shop, and a console that is through with it.
fn mesh_with_a_year() -> Mesh {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    let score_card = root().join("policies/demo-scorecard.toml").display().to_string();
    run(&["policy", "activate", &score_card, "--to", &mesh.url()]);
    let now = now();
    let file = mesh.file("year.ndjson", &ndjson(&year(now)));
    let sent = mesh.send(&["--history", "--until", &format_instant(now), &file]);
    assert_eq!(sent["refused"], 0, "{sent}");
    mesh.wait_until_folded();
    wait_for("the read model to be built", PATIENCE, || {
        let status = ask(&mut mesh, "status");
        status["building"].is_null() && status["lag"] == 0 && status["live"] == true
    });
    mesh
}

fn ask(mesh: &mut Mesh, path: &str) -> Value {
    serde_json::from_str(&mesh.process("up").get(&format!("/api/v1/{path}"))).unwrap()
}

/// A page in the browser.
struct Page {
    client: Client,
    url: String,
}

impl Page {
    async fn open(browser: &Browser, url: String) -> Self {
        let options = json!({"binary": browser.program(), "args": browser.arguments()});
        let capabilities = json!({"goog:chromeOptions": options});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&browser.webdriver())
            .await
            .unwrap();
        Self { client, url }
    }

    async fn go(&self, route: &str) {
        self.client.goto(&format!("{}/#{route}", self.url)).await.unwrap();
        let whole = "return document.querySelector('main').dataset.view === arguments[0]";
        self.until(&format!("the view {route}"), whole, vec![route.into()]).await;
    }

    /// The element, once it is there.
    async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(Duration::from_secs(60)).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// The texts of all that fit.
    async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((found) => found.textContent)";
        serde_json::from_value(self.run(script, vec![css.into()]).await).unwrap()
    }

    async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Waits until a script says yes.
    async fn until(&self, what: &str, script: &str, arguments: Vec<Value>) {
        let asked = async {
            while self.run(script, arguments.clone()).await != json!(true) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), asked).await.is_err() {
            panic!("waited in vain for {what}; the page says:\n{}", self.texts("body").await.concat());
        }
    }

    async fn until_text(&self, css: &str, text: &str) {
        let script =
            "return [...document.querySelectorAll(arguments[0])].some((it) => it.textContent.includes(arguments[1]))";
        self.until(&format!("{text:?} in {css}"), script, vec![css.into(), text.into()]).await;
    }

    async fn choose(&self, name: &str, value: &str) {
        self.find(&format!("select[name={name}]")).await.select_by_value(value).await.unwrap();
    }

    async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.unwrap();
    }

    /// Nothing may stick out sideways.
    async fn assert_fits(&self) {
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(self.run(fits, vec![]).await, json!(true), "the page is wider than its window");
    }

    /// The four figures stand in even rows, and none of their labels is cut off.
    async fn assert_figures_align(&self) {
        self.find("#kpi-letters").await;
        let uneven = "const figures = [...document.querySelectorAll('.kpi')], labels = [...document.querySelectorAll('.kpi span')];
            const lines = new Set(labels.map((it) => it.getBoundingClientRect().height));
            const rows = Map.groupBy(figures, (it) => it.getBoundingClientRect().top);
            const lengths = new Set([...rows.values()].map((row) => row.length));
            const cut = labels.filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.textContent);
            return [figures.length === 4, lines.size === 1, lengths.size === 1, cut]";
        assert_eq!(self.run(uneven, vec![]).await, json!([true, true, true, []]));
    }

    /// Keeps a picture of the page for the documentation, if pictures are asked for.
    async fn picture(&self, name: &str) {
        if std::env::var_os("TIERMESH_PICTURES").is_some() {
            let picture = self.client.screenshot().await.unwrap();
            let directory: PathBuf = root().join("docs/images");
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
        }
    }
}

#[test]
fn a_browser_shows_the_mesh_and_what_happens_to_it() {
    let mut mesh = mesh_with_a_year();
    let browser = browser();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let page = Page::open(&browser, mesh.url()).await;
        page.resize(1280, 960).await;
        overview(&page, &mut mesh).await;
        languages(&page).await;
        customers(&page, &mut mesh).await;
        one_customer(&page, &mut mesh).await;
        what_happens(&page, &mesh).await;
        lists(&page).await;
        on_a_phone(&page).await;
        page.client.clone().close().await.unwrap();
    });
}

async fn overview(page: &Page, mesh: &mut Mesh) {
    page.go("/").await;
    let customers = ask(mesh, "status")["customers"].as_u64().unwrap();
    assert!(customers > 4_000, "{customers}");
    let digits = page.find("#kpi-customers strong").await.text().await.unwrap().replace(',', "");
    assert_eq!(digits, customers.to_string());
    // Each policy's tiers add up to all of its customers.
    for policy in ask(mesh, "tiers")["policies"].as_array().unwrap() {
        let sum: u64 = policy["tiers"].as_array().unwrap().iter().map(|tier| tier["customers"].as_u64().unwrap()).sum();
        assert_eq!(policy["customers"], sum);
    }
    assert_eq!(page.texts(".spread h3").await.len(), 4);
    assert!(!page.texts(".stakes li").await.is_empty());
    page.until_text("#state", "live").await;
    page.assert_figures_align().await;
    // Nothing came from elsewhere.
    let own =
        "return performance.getEntriesByType('resource').every((it) => new URL(it.name).origin === location.origin)";
    assert_eq!(page.run(own, vec![]).await, json!(true));
    page.picture("console-overview").await;
}

async fn languages(page: &Page) {
    page.find("#language").await.click().await.unwrap();
    page.until_text("nav a", "客户").await;
    page.until_text("h1", "总览").await;
    assert_eq!(page.find("html").await.attr("lang").await.unwrap().as_deref(), Some("zh-CN"));
    page.assert_figures_align().await;
    page.picture("console-overview-zh").await;
    // It is remembered.
    page.client.refresh().await.unwrap();
    page.until_text("h1", "总览").await;
    page.find("#language").await.click().await.unwrap();
    page.until_text("h1", "Overview").await;
}

async fn customers(page: &Page, mesh: &mut Mesh) {
    page.go("/customers").await;
    page.until_text("h1", "Customers").await;
    page.choose("policy", "pyramid").await;
    page.find("select[name=tier]").await;
    page.choose("tier", "top").await;
    let only_top = "const found = [...document.querySelectorAll('tbody .tier')];
        return found.length > 0 && found.every((it) => it.textContent === 'top')";
    page.until("customers of the top tier only", only_top, vec![]).await;
    let first = ask(mesh, "customers?policy=pyramid&tier=top");
    let ids: Vec<&str> = first["items"].as_array().unwrap().iter().map(|it| it["customer"].as_str().unwrap()).collect();
    assert_eq!(page.texts("tbody a.id").await, ids);
    page.find(".more").await.click().await.unwrap();
    let more = "return document.querySelectorAll('tbody a.id').length > arguments[0]";
    page.until("the next page", more, vec![ids.len().into()]).await;

    let search = page.find("input[name=q]").await;
    search.send_keys("179\n").await.unwrap();
    let found = "const ids = [...document.querySelectorAll('tbody a.id')];
        return ids.length > 0 && ids.every((it) => it.textContent.startsWith('179'))";
    page.until("ids that begin with 179", found, vec![]).await;
}

async fn one_customer(page: &Page, mesh: &mut Mesh) {
    page.go("/signals").await;
    page.find("tbody a.id").await.click().await.unwrap();
    page.find(".standing").await;
    let id = page.find("h1").await.text().await.unwrap();
    let customer = ask(mesh, &format!("customers/{id}"));
    assert_eq!(page.texts(".standing h3").await.len(), customer["standings"].as_array().unwrap().len());
    let score = customer["standings"].as_array().unwrap().iter().find(|it| it["policy"] == "scorecard").unwrap();
    assert_eq!(page.texts(".parts li").await.len(), score["contributions"].as_array().unwrap().len());
    assert_eq!(page.texts(".facts dd").await[0], customer["owner"].as_str().unwrap());
    assert!(!page.texts(".alert").await.is_empty());
    assert!(page.texts("#timeline li").await.len() > 3);
    page.picture("console-customer").await;
}

async fn what_happens(page: &Page, mesh: &Mesh) {
    page.go("/").await;
    page.until_text("#state", "live").await;
    page.find("#feed").await;
    let event = json!({
        "specversion": "1.0", "id": "o-1", "source": "browser", "type": "tiermesh.order.placed", "subject": MARKUP,
        "time": format_instant(now()), "data": {"order_id": "1", "currency": "GBP", "amount": "125000.00"},
    });
    let file = mesh.file("one.ndjson", &ndjson(&[event]));
    assert_eq!(mesh.send(&[&file])["accepted"], 1);
    page.until_text("#feed li.new", MARKUP).await;
    // It is a text, and nothing else.
    assert_eq!(page.run("return document.querySelectorAll('main img').length", vec![]).await, json!(0));
    page.find("#feed li.new a.id").await.click().await.unwrap();
    page.until_text("h1", MARKUP).await;
    page.until_text("#timeline", "£125,000.00").await;
    assert_eq!(page.client.title().await.unwrap(), "Tiermesh");
}

async fn lists(page: &Page) {
    page.go("/signals?detector=silence").await;
    page.until(
        "silences only",
        "const found = [...document.querySelectorAll('tbody .chip')];
        return found.length > 0 && found.every((it) => it.textContent === 'silence')",
        vec![],
    )
    .await;
    page.go("/deliveries").await;
    page.until_text("h1", "Notifications").await;
    page.go("/status").await;
    page.until_text("h1", "Status").await;
    page.until_text("td", "customer.events").await;
}

async fn on_a_phone(page: &Page) {
    page.resize(500, 900).await;
    for route in ["/", "/customers", "/signals", "/deliveries", "/status", "/customers/17850"] {
        page.go(route).await;
        page.find("main h1").await;
        page.until("the view to be loaded", "return !document.querySelector('main').hasAttribute('aria-busy')", vec![])
            .await;
        page.assert_fits().await;
        if route == "/" {
            page.assert_figures_align().await;
        }
    }
}
