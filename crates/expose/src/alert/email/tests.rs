use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use driftline_evaluate::AlertSeverity;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::alert::fixture::{at, event, opened, other, resolved};
use crate::alert::options::NotifyOptions;
use crate::alert::outlet::Outlet;
use crate::alert::spec::NotifySpec;

/// What a letter came with.
#[derive(Clone, Debug, Default)]
struct Received {
    from: String,
    to: Vec<String>,
    login: Option<String>,
    text: String,
}

/// What the server does at a command, instead of what it should.
#[derive(Clone, Debug)]
enum Odd {
    Say(&'static str, &'static str),
    Hang(&'static str),
    Close(&'static str),
}

/// A mail server that takes RFC 5321 at its word.
struct Server {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    odd: Arc<Mutex<VecDeque<Odd>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(odd: impl IntoIterator<Item = Odd>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let odd = Arc::new(Mutex::new(odd.into_iter().collect()));
        let (own_received, own_odd) = (Arc::clone(&received), Arc::clone(&odd));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&own_received), Arc::clone(&own_odd)));
            }
        });
        Self { port, received, odd, task }
    }

    fn mailer(&self, more: &str) -> Outlet {
        let config = format!(
            "[[sinks]]\nname = \"mail\"\nkind = \"email\"\nfrom = \"Driftline <driftline@example.com>\"\n\
             to = [\"ml@example.com\", \"Élise <elise@example.com>\"]\n\
             smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\"{more} }}",
            self.port
        );
        let spec = spec(&config).unwrap();
        Outlet::start(&spec.sinks[0].target, Duration::from_millis(500), "/driftline/test").unwrap()
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn spec(toml: &str) -> Result<NotifySpec, Vec<String>> {
    let options: NotifyOptions = toml::from_str(toml).map_err(|error| vec![error.to_string()])?;
    NotifySpec::try_new(options, "", &BTreeMap::new(), &|_| None)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// A line without its end, which must be CR LF and nothing else, within 1,000 bytes.
async fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes).await.ok()? == 0 {
        return None;
    }
    let line = bytes.strip_suffix(b"\r\n").expect("a line ends with CR LF");
    assert!(bytes.len() <= 1_000, "a line of {} bytes", bytes.len());
    assert!(!line.contains(&b'\r') && line.is_ascii(), "{line:?}");
    Some(String::from_utf8(line.to_vec()).unwrap())
}

async fn serve(stream: TcpStream, received: Arc<Mutex<Vec<Received>>>, odd: Arc<Mutex<VecDeque<Odd>>>) {
    let mut reader = BufReader::new(stream);
    let mut letter = Received::default();
    reader.write_all(b"220 test ESMTP\r\n").await.unwrap();
    while let Some(command) = line(&mut reader).await {
        let verb = command.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        let is_odd =
            |odd: &Odd| matches!(odd, Odd::Say(at, _) | Odd::Hang(at) | Odd::Close(at) if *at == verb);
        let now = {
            let mut odd = odd.lock().unwrap();
            if odd.front().is_some_and(is_odd) { odd.pop_front() } else { None }
        };
        let answer = match now {
            Some(Odd::Say(_, answer)) => answer.to_owned(),
            Some(Odd::Hang(_)) => std::future::pending().await,
            Some(Odd::Close(_)) => return,
            None => match verb.as_str() {
                "EHLO" => "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".to_owned(),
                "AUTH" => {
                    letter.login = Some(command);
                    "235 welcome".to_owned()
                }
                "MAIL" => {
                    letter.from = command;
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    assert!(!letter.from.is_empty(), "RCPT before MAIL");
                    letter.to.push(command);
                    "250 ok".to_owned()
                }
                "DATA" => {
                    assert!(!letter.to.is_empty(), "DATA before RCPT");
                    reader.write_all(b"354 go on\r\n").await.unwrap();
                    while let Some(text) = line(&mut reader).await.filter(|text| text != ".") {
                        letter.text.push_str(text.strip_prefix('.').unwrap_or(&text));
                        letter.text.push('\n');
                    }
                    received.lock().unwrap().push(std::mem::take(&mut letter));
                    "250 2.0.0 queued as 7".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "500 what?".to_owned(),
            },
        };
        reader.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
    }
}

async fn send(mailer: &Outlet, bundle: Bundle) -> Result<String, SendError> {
    mailer.send(&bundle, at("10:00")).await
}

/// The value of a header, unfolded.
fn header(letter: &Received, name: &str) -> Option<String> {
    let (head, _) = letter.text.split_once("\n\n").unwrap();
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
}

#[tokio::test]
async fn letters_of_an_incident_are_a_thread() {
    let server = Server::start([]).await;
    let mailer = server.mailer("");
    assert_eq!(send(&mailer, Bundle::of(opened())).await.unwrap(), "250 2.0.0 queued as 7");
    send(&mailer, Bundle::of(resolved())).await.unwrap();
    let letters = server.received();
    let first = &letters[0];
    assert_eq!(first.from, "MAIL FROM:<driftline@example.com>");
    assert_eq!(first.to, ["RCPT TO:<ml@example.com>", "RCPT TO:<elise@example.com>"]);
    let subject = header(first, "Subject").unwrap();
    assert!(subject.starts_with("[Driftline] Critical alert: churn: Accuracy of churn fell"), "{subject}");
    assert_eq!(header(first, "Date").unwrap(), "Mon, 05 Jan 2026 10:00:00 +0000");
    let root = "<incident.churn-20260105-0001@example.com>";
    assert_eq!(header(first, "Message-ID").unwrap(), root);
    assert_eq!(header(first, "In-Reply-To"), None);
    assert_eq!(header(first, "Auto-Submitted").unwrap(), "auto-generated");
    assert_eq!(header(first, "MIME-Version").unwrap(), "1.0");
    assert!(header(first, "Content-Type").unwrap().starts_with("multipart/alternative"));
    assert!(header(&letters[1], "Subject").unwrap().starts_with("[Driftline] Resolved, was critical: churn"));
    assert_eq!(header(&letters[1], "In-Reply-To").unwrap(), root);
    assert_eq!(header(&letters[1], "References").unwrap(), root);
    assert!(header(&letters[1], "Message-ID").unwrap().starts_with("<event."));
    // One letter that tells of both begins the thread.
    send(&mailer, Bundle { earlier: vec![opened()], newest: resolved() }).await.unwrap();
    assert_eq!(header(&server.received()[2], "Message-ID").unwrap(), root);
}

#[test]
fn the_text_is_there_twice_and_escaped() {
    let rendered = Rendered::of(&Bundle::of(opened()));
    let letter = letter::of(&rendered, &opened());
    assert!(
        letter.plain.contains("  1. income: above 84,000: 10 % -> 2 % · 62 % of the change"),
        "{}",
        letter.plain
    );
    assert!(letter.plain.contains("R&D changed <income>"), "{}", letter.plain);
    assert!(letter.html.contains("R&amp;D changed &lt;income&gt;"), "{}", letter.html);
    assert!(letter.html.contains("<li>income: above 84,000: 10 % -&gt; 2 %"), "{}", letter.html);
    assert!(letter.html.contains("href=\"https://wiki.example.com/runbooks/accuracy?a=1&amp;b=2\""));
}

#[tokio::test]
async fn nothing_in_an_incident_becomes_a_header() {
    let server = Server::start([]).await;
    let mut event = (*other(
        "a\r\nBcc: <x@y>..",
        driftline_evaluate::EventAction::Opened,
        AlertSeverity::Major,
        at("10:00"),
    ))
    .clone();
    event.incident.model = "m\r\nBcc: all@example.com".into();
    event.incident.summary = format!("é\r\nX-Bad: 1\r\n.\r\nMAIL FROM:<x> {}", "long ".repeat(400));
    send(&server.mailer(""), Bundle::of(Arc::new(event))).await.unwrap();
    let letters = server.received();
    assert_eq!((letters.len(), letters[0].to.len()), (1, 2));
    assert_eq!((header(&letters[0], "Bcc"), header(&letters[0], "X-Bad")), (None, None));
    let id = header(&letters[0], "Message-ID").unwrap();
    assert_eq!(id, "<incident.a--Bcc---x-y-@example.com>");
}

#[tokio::test]
async fn a_login_is_made_and_its_password_not_shown() {
    let server = Server::start([]).await;
    let mailer = server.mailer(", username = \"me\", password = \"hunter2\"");
    assert!(!format!("{mailer:?}").contains("hunter2"), "{mailer:?}");
    send(&mailer, Bundle::of(opened())).await.unwrap();
    // RFC 4616: \0me\0hunter2
    assert_eq!(server.received()[0].login.as_deref(), Some("AUTH PLAIN AG1lAGh1bnRlcjI="));
    server.odd.lock().unwrap().push_back(Odd::Say("AUTH", "535 5.7.8 hunter2 is wrong"));
    let error = send(&mailer, Bundle::of(opened())).await.unwrap_err();
    assert!(matches!(&error, SendError::Later { .. }), "{error:?}");
    assert!(error.to_string().contains("*** is wrong") && !error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_is_refused() {
    let server = Server::start([]).await;
    let mailer = server.mailer("");
    let later = [
        Odd::Say("MAIL", "451 4.3.0 later"),
        Odd::Say("RCPT", "450 4.2.1 busy"),
        Odd::Say("DATA", "421 4.3.2 closing"),
        Odd::Hang("MAIL"),
        Odd::Close("DATA"),
    ];
    for odd in later {
        server.odd.lock().unwrap().push_back(odd.clone());
        let error = send(&mailer, Bundle::of(opened())).await.unwrap_err();
        assert!(matches!(&error, SendError::Later { .. }), "{odd:?}: {error:?}");
        assert!(error.to_string().starts_with("smtp://127.0.0.1:"), "{error}");
    }
    server.odd.lock().unwrap().push_back(Odd::Say("RCPT", "550 5.1.1 no such user"));
    let error = send(&mailer, Bundle::of(opened())).await.unwrap_err();
    assert!(matches!(&error, SendError::Never { reason } if reason.contains("no such user")), "{error:?}");
    assert_eq!(server.received().len(), 0);
    send(&mailer, Bundle::of(Arc::new(event(driftline_evaluate::EventAction::Test, at("10:00")))))
        .await
        .unwrap();
    assert_eq!(
        header(&server.received()[0], "Subject").unwrap().split(": ").next(),
        Some("[Driftline] Test of a sink, no alert")
    );
}

#[test]
fn all_faults_are_found() {
    let faults = spec(
        "[[sinks]]\nname = \"a\"\nkind = \"email\"\n\
         [[sinks]]\nname = \"b\"\nkind = \"email\"\nfrom = \"nobody\"\nto = [\"a@b.example\", \"c\"]\n\
         smtp = { host = \"a b\", username = \"x\" }\n\
         [[sinks]]\nname = \"c\"\nkind = \"email\"\nfrom = \"a@b.example\"\nto = [\"a@b.example\"]\n\
         smtp = { host = \"mail.example.com\", tls = \"none\", username = \"x\", password = \"hunter2\" }",
    )
    .unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    let expected = [
        "sinks[0].from",
        "sinks[0].to",
        "sinks[0].smtp",
        "sinks[1].from",
        "sinks[1].to[1]",
        "sinks[1].smtp",
        "sinks[1].smtp.host",
        "sinks[2].smtp.tls",
    ];
    assert_eq!(places, expected, "{faults:#?}");
}
