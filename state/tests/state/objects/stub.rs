//! As much of S3 as the store speaks, with faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Small, so that every list has pages.
const PAGE: usize = 3;
/// After this long without a request a connection is closed.
const IDLE: Duration = Duration::from_secs(20);

/// What goes wrong with the next request of that method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An answer of this status with this code, and nothing was done.
    Status(u16, &'static str),
    /// Done; the connection ends without an answer.
    AnswerLost,
    /// Done; the connection ends within the first line of the answer.
    AnswerCut,
    /// The answer's body ends after so many bytes of more that were announced.
    Truncated(usize),
    /// The answer's body comes at one kilobyte a second.
    Slow,
    /// No answer comes, and the connection stays.
    Silent,
    /// The header If-None-Match is not looked at.
    Replaces,
}

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Vec<u8>>,
    /// Left out of every list.
    hidden: BTreeSet<String>,
    faults: VecDeque<(&'static str, Fault)>,
    requests: Vec<String>,
}

pub struct Stub {
    address: SocketAddr,
    contents: Arc<Mutex<Contents>>,
    stopped: Arc<AtomicBool>,
}

impl Stub {
    pub fn start() -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stub = Stub {
            address: listener.local_addr().expect("bound"),
            contents: Arc::default(),
            stopped: Arc::default(),
        };
        let (contents, stopped) = (Arc::clone(&stub.contents), Arc::clone(&stub.stopped));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (contents, stopped) = (Arc::clone(&contents), Arc::clone(&stopped));
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || {
                    let _broken = serve(connection, &contents, &stopped);
                });
            }
        });
        stub
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Each of `faults` happens to one request of `method`, in that order.
    pub fn fail(&self, method: &'static str, faults: &[Fault]) {
        let faults = faults.iter().map(|fault| (method, *fault));
        lock(&self.contents).faults.extend(faults);
    }

    pub fn faults_left(&self) -> usize {
        lock(&self.contents).faults.len()
    }

    pub fn hide(&self, key: &str) {
        lock(&self.contents).hidden.insert(key.to_owned());
    }

    /// The objects as the bucket has them, prefix and all.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.contents).objects.keys().cloned().collect()
    }

    /// Method and target of every request so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.contents).requests.clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _wakes_the_listener = TcpStream::connect(self.address);
    }
}

struct Request {
    method: String,
    /// Without the bucket and the query.
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn serve(
    connection: TcpStream,
    contents: &Mutex<Contents>,
    stopped: &AtomicBool,
) -> io::Result<()> {
    connection.set_read_timeout(Some(IDLE))?;
    connection.set_write_timeout(Some(IDLE))?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    while let Some(request) = read(&mut reader, contents)? {
        if stopped.load(Ordering::SeqCst) {
            break;
        }
        let fault = take_fault(contents, &request.method);
        let answer = match fault {
            Some(Fault::Status(status, code)) => failed(status, code),
            Some(Fault::Silent) => {
                std::thread::sleep(IDLE);
                break;
            }
            fault => answer(&request, contents, fault == Some(Fault::Replaces)),
        };
        match fault {
            Some(Fault::AnswerLost) => break,
            Some(Fault::AnswerCut) => {
                (&connection).write_all(b"HTT")?;
                break;
            }
            _ => write(&connection, &request.method, &answer, fault, stopped)?,
        }
        if matches!(fault, Some(Fault::Truncated(_))) {
            break;
        }
    }
    Ok(())
}

fn take_fault(contents: &Mutex<Contents>, method: &str) -> Option<Fault> {
    let faults = &mut lock(contents).faults;
    let next = faults.iter().position(|(of, _)| *of == method)?;
    faults.remove(next).map(|(_, fault)| fault)
}

fn read(
    reader: &mut BufReader<TcpStream>,
    contents: &Mutex<Contents>,
) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    lock(contents).requests.push(line.trim().to_owned());
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse().expect("a length")];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path.strip_prefix("/bucket").expect("of the bucket");
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), plain(value)));
    Ok(Some(Request {
        method,
        key: plain(key.trim_start_matches('/')),
        query: query.collect(),
        headers,
        body,
    }))
}

/// Without the escapes of a URL.
fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        plain.push(u8::from_str_radix(code, 16).expect("an escape").into());
        plain.push_str(rest);
    }
    plain
}

fn answer(request: &Request, contents: &Mutex<Contents>, replaces: bool) -> Answer {
    let mut contents = lock(contents);
    match request.method.as_str() {
        "PUT" => {
            let conditional = request.headers.get("if-none-match").map(String::as_str);
            assert_eq!(conditional, Some("*"), "every put is conditional");
            if contents.objects.contains_key(&request.key) && !replaces {
                return failed(412, "PreconditionFailed");
            }
            contents
                .objects
                .insert(request.key.clone(), request.body.clone());
            with(200, vec![("ETag", "\"tag\"".to_owned())], Vec::new())
        }
        "GET" if request.key.is_empty() => list(request, &contents),
        "GET" | "HEAD" => match contents.objects.get(&request.key) {
            Some(bytes) => part(request, bytes),
            None => failed(404, "NoSuchKey"),
        },
        "DELETE" => {
            contents.objects.remove(&request.key);
            with(204, Vec::new(), Vec::new())
        }
        method => panic!("{method} is not spoken here"),
    }
}

fn part(request: &Request, bytes: &[u8]) -> Answer {
    let mut headers = vec![
        ("ETag", "\"tag\"".to_owned()),
        ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
    ];
    let range = request.headers.get("range");
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
        return with(200, headers, bytes.to_vec());
    };
    let (from, to) = range.split_once('-').expect("a range");
    let (from, to): (usize, usize) = (from.parse().expect("from"), to.parse().expect("to"));
    headers.push((
        "Content-Range",
        format!("bytes {from}-{to}/{}", bytes.len()),
    ));
    with(206, headers, bytes[from..=to].to_vec())
}

fn list(request: &Request, contents: &Contents) -> Answer {
    assert_eq!(
        request.query.get("list-type").map(String::as_str),
        Some("2")
    );
    let prefix = request.query.get("prefix").map_or("", String::as_str);
    let after = request.query.get("continuation-token");
    let mut rest = contents
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && !contents.hidden.contains(*key))
        .filter(|(key, _)| after.is_none_or(|after| *key > after));
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let more = rest.next().is_some();
    let mut xml = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>");
    for (key, bytes) in &page {
        xml += &format!(
            "<Contents><Key>{key}</Key><LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>\"tag\"</ETag><Size>{}</Size></Contents>",
            bytes.len()
        );
    }
    if let (true, Some((last, _))) = (more, page.last()) {
        xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml += "</ListBucketResult>";
    with(
        200,
        vec![("Content-Type", "application/xml".to_owned())],
        xml.into(),
    )
}

fn failed(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>as it was told</Message></Error>");
    with(status, Vec::new(), body.into())
}

fn with(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Answer {
    Answer {
        status,
        headers,
        body,
    }
}

fn write(
    mut connection: &TcpStream,
    method: &str,
    answer: &Answer,
    fault: Option<Fault>,
    stopped: &AtomicBool,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Because\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if answer.status != 204 {
        head += &format!("Content-Length: {}\r\n", answer.body.len());
    }
    head += "\r\n";
    connection.write_all(head.as_bytes())?;
    match fault {
        _ if method == "HEAD" => {}
        Some(Fault::Truncated(most)) => connection.write_all(&answer.body[..most])?,
        Some(Fault::Slow) => {
            for bytes in answer.body.chunks(100) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                connection.write_all(bytes)?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        _ => connection.write_all(&answer.body)?,
    }
    connection.flush()
}

fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().expect("no panic in the stub")
}
