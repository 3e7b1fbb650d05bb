//! Keeps every client of the process supplied with a token (SASL OAUTHBEARER), whoever polls it or does not.
//!
//! librdkafka asks for tokens by an event that comes only to those who poll, and rdkafka's admin client never does; so tokens are not
//! fetched by clients but handed to them, by one thread for the whole process. Invariants: a client has a token from its first moment
//! on, a fresh one long before the last ends, and its handle is never touched once it began to go away.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::bindings;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

/// A token is replaced when this part of its life is over, in percent.
const WORN: i64 = 75;
/// Waits between two attempts after a failure: twice as long each time, from the first to the second of these.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Shortest wait after a success, for tokens that hardly live.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a broker is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub value: String,
    /// Who it stands for, as far as this side knows.
    pub principal: String,
    /// Milliseconds since 1970.
    pub expires_ms: i64,
}

/// Where tokens come from.
pub trait TokenSource {
    /// A token that is good for a while. The error says what to do.
    fn token(&mut self) -> Result<Token, String>;
}

/// Tokens of one source, for any number of clients.
#[derive(Debug)]
pub struct Tokens {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    token: Token,
    clients: BTreeMap<u64, Handle>,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
struct Handle(*mut RDKafka);

#[expect(unsafe_code, reason = "the handle of a client goes to another thread")]
// SAFETY: librdkafka's functions may be called from any thread. A handle stands in `State::clients` only while its client lives: its
// `Registration` is dropped before it, and takes the handle out under the lock that every use holds.
unsafe impl Send for Handle {}

/// Keeps a client supplied until it is dropped, which must be before the client is.
#[derive(Debug)]
pub struct Registration {
    tokens: Arc<Tokens>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.tokens.lock();
        state.clients.remove(&self.number);
    }
}

impl Tokens {
    /// Gets the first token, then keeps getting more on a thread that lives as long as the process. The source is made on that thread.
    pub fn keep<S: TokenSource>(
        source: impl FnOnce() -> Result<S, String> + Send + 'static,
    ) -> Result<Arc<Tokens>, String> {
        let (tell, told) = mpsc::channel();
        let work = move || {
            let mut source = match source() {
                Ok(source) => source,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let token = match source.token() {
                Ok(token) => token,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let tokens = Arc::new(Tokens {
                state: Mutex::new(State {
                    token,
                    clients: BTreeMap::new(),
                    number: 0,
                }),
            });
            drop(tell.send(Ok(Arc::clone(&tokens))));
            tokens.renew(source);
        };
        std::thread::Builder::new()
            .name("tokens".into())
            .spawn(work)
            .map_err(|error| format!("no thread for tokens: {error}"))?;
        told.recv()
            .unwrap_or_else(|_| Err("the thread for tokens panicked; report it".into()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self, mut source: impl TokenSource) -> ! {
        let mut failures = 0;
        loop {
            let wait = match failures {
                0 => until_worn(self.lock().token.expires_ms, now_ms()),
                failures => AGAIN.1.min(AGAIN.0 * 2u32.saturating_pow(failures - 1)),
            };
            std::thread::sleep(wait);
            match source.token() {
                Ok(token) => {
                    failures = 0;
                    self.replace(token);
                }
                Err(error) => {
                    failures = failures.saturating_add(1).min(16);
                    let left_s = (self.lock().token.expires_ms - now_ms()).max(0) / 1_000;
                    tracing::warn!(
                        left_s,
                        "no new token for the brokers: {error}; once the last one ends they refuse this process"
                    );
                }
            }
        }
    }

    fn replace(&self, token: Token) {
        let mut state = self.lock();
        if state.token == token {
            return;
        }
        for handle in state.clients.values() {
            if let Err(error) = hand_over(*handle, &token) {
                tracing::warn!("a client did not take its new token: {error}");
            }
        }
        state.token = token;
    }

    /// Gives the client a token now, and every later one until the registration is dropped.
    pub fn register(self: &Arc<Self>, client: *mut RDKafka) -> Result<Registration, String> {
        let mut state = self.lock();
        hand_over(Handle(client), &state.token)?;
        let number = state.number;
        state.number += 1;
        state.clients.insert(number, Handle(client));
        Ok(Registration {
            tokens: Arc::clone(self),
            number,
        })
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// How long a token that ends then may be used before it is replaced.
fn until_worn(expires_ms: i64, now_ms: i64) -> Duration {
    let left = expires_ms.saturating_sub(now_ms).max(0);
    let wait = u64::try_from(left / 100 * WORN).unwrap_or(0);
    SHORTEST.max(Duration::from_millis(wait))
}

#[expect(
    unsafe_code,
    reason = "rdkafka sets tokens only for clients that are polled"
)]
fn hand_over(client: Handle, token: &Token) -> Result<(), String> {
    const SAID: usize = 512;
    let value = CString::new(token.value.as_str()).map_err(|_| "the token holds a zero byte")?;
    let principal =
        CString::new(token.principal.as_str()).map_err(|_| "the principal holds a zero byte")?;
    let mut said = [0u8; SAID];
    // SAFETY: the client lives (see `Handle`); the strings end with a zero byte and are copied; `said` has the length that is told.
    let code = unsafe {
        bindings::rd_kafka_oauthbearer_set_token(
            client.0,
            value.as_ptr(),
            token.expires_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            said.as_mut_ptr().cast(),
            SAID,
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let said = said.split(|byte| *byte == 0).next().unwrap_or_default();
    Err(String::from_utf8_lossy(said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_when_three_quarters_of_its_life_are_over() {
        assert_eq!(until_worn(900_000, 0), Duration::from_secs(675));
        assert_eq!(until_worn(5_000, 4_000), SHORTEST);
        assert_eq!(until_worn(0, 4_000), SHORTEST);
    }

    struct Broken;

    impl TokenSource for Broken {
        fn token(&mut self) -> Result<Token, String> {
            Err("no role".into())
        }
    }

    #[test]
    fn without_a_first_token_there_are_no_tokens() {
        let said = Tokens::keep(|| Ok(Broken)).expect_err("refused");
        assert_eq!(said, "no role");
        let said = Tokens::keep(|| Err::<Broken, _>("no region".into())).expect_err("refused");
        assert_eq!(said, "no region");
    }
}
