//! The market behind the board: symbols whose prices walk at random.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::{MissedTickBehavior, interval};
use ws_core::prelude::*;
use ws_core::{EnvelopeCodec, PublishError};

use super::{Event, Listing, Pace, Quote};

/// The time between two ticks. A tick changes 100 prices, so that a second has 2,000.
pub const TICK: Duration = Duration::from_millis(50);
const PRICES_PER_TICK: usize = 100;

/// A calm client gets each tenth price of a symbol: about one a second.
const CALM: u32 = 10;

/// The length of [`Quote::recent`]. A second has one of these prices.
pub const RECENT: usize = 60;
const TICKS_PER_SECOND: u32 = 20;

/// The symbols, their prices, and a topic for each of them. Clones share one market.
#[derive(Clone)]
pub struct Market(Arc<Shared>);

struct Shared {
    stocks: Vec<Stock>,
    by_symbol: HashMap<&'static str, usize>,
    walk: Mutex<Walk>,
}

struct Stock {
    symbol: &'static str,
    name: &'static str,
    /// The price at the start of the server.
    open: u32,
    prices: Mutex<Prices>,
    live: Topic<Event>,
    calm: Topic<Event>,
}

struct Prices {
    cents: u32,
    changes: u32,
    /// One price a second, the oldest first.
    recent: Vec<u32>,
}

impl Market {
    /// Returns the market of `symbols.txt`, after a minute of trading.
    pub fn new(hub: &Hub) -> Self {
        let topic =
            |pace, symbol| hub.topic_with(format!("{pace}:{symbol}"), EnvelopeCodec::<JsonRpc>::new());
        let stock = |(at, line): (u32, &'static str)| {
            let mut columns = line.split('|');
            let (symbol, name, cents) = (columns.next()?, columns.next()?, columns.next()?.parse().ok()?);
            let prices = Mutex::new(Prices { cents, changes: at, recent: vec![cents; RECENT] });
            Some(Stock {
                symbol,
                name,
                open: cents,
                prices,
                live: topic("live", symbol),
                calm: topic("calm", symbol),
            })
        };
        // Another count of changes for each, so that calm clients get one symbol after the other.
        let stocks: Vec<_> = (0..).zip(include_str!("symbols.txt").lines()).filter_map(stock).collect();
        let by_symbol = stocks.iter().enumerate().map(|(at, stock)| (stock.symbol, at)).collect();
        let order: Vec<_> = (0..stocks.len()).collect();
        let walk = Mutex::new(Walk { random: 0x2545_F491_4F6C_DD1D, next: order.len(), order });
        let market = Self(Arc::new(Shared { stocks, by_symbol, walk }));
        for _ in 0..RECENT {
            (0..TICKS_PER_SECOND).for_each(|_| drop(market.tick()));
            market.remember();
        }
        market
    }

    /// Changes and publishes prices for ever. Missed ticks are skipped.
    pub async fn run(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 1_u64.. {
            ticks.tick().await;
            if let Err(error) = self.tick() {
                eprintln!("prices are not published: {error}");
            }
            if number % u64::from(TICKS_PER_SECOND) == 0 {
                self.remember();
            }
        }
    }

    /// Changes the prices of half of the symbols, and publishes them.
    pub fn tick(&self) -> Result<(), PublishError> {
        let mut walk = lock(&self.0.walk);
        for _ in 0..PRICES_PER_TICK {
            let stock = &self.0.stocks[walk.next()];
            let mut prices = lock(&stock.prices);
            let step = prices.cents / 800 + 1;
            // A price never leaves the range from half to double of that at the open.
            let next = (prices.cents + walk.below(2 * step + 1)).saturating_sub(step);
            prices.cents = next.clamp(stock.open / 2, stock.open * 2);
            prices.changes = prices.changes.wrapping_add(1);
            let price = || Event::Price { symbol: stock.symbol.to_owned(), cents: prices.cents };
            stock.live.publish(price())?;
            if prices.changes.is_multiple_of(CALM) {
                stock.calm.publish(price())?;
            }
        }
        Ok(())
    }

    /// Stores the price of each symbol in its recent ones.
    fn remember(&self) {
        for stock in &self.0.stocks {
            let mut prices = lock(&stock.prices);
            prices.recent.rotate_left(1);
            prices.recent[RECENT - 1] = prices.cents;
        }
    }

    /// Returns all symbols, sorted.
    pub fn listings(&self) -> Vec<Listing> {
        let listing =
            |stock: &Stock| Listing { symbol: stock.symbol.to_owned(), name: stock.name.to_owned() };
        self.0.stocks.iter().map(listing).collect()
    }

    /// Returns the number of a symbol.
    pub fn find(&self, symbol: &str) -> Option<usize> {
        self.0.by_symbol.get(symbol).copied()
    }

    /// Returns the topic of a symbol's prices.
    pub fn topic(&self, at: usize, pace: Pace) -> &Topic<Event> {
        let Stock { live, calm, .. } = &self.0.stocks[at];
        if pace == Pace::Live { live } else { calm }
    }

    /// Returns the current price of a symbol.
    pub fn quote(&self, at: usize) -> Quote {
        let stock = &self.0.stocks[at];
        let prices = lock(&stock.prices);
        Quote {
            symbol: stock.symbol.to_owned(),
            cents: prices.cents,
            open: stock.open,
            recent: prices.recent.clone(),
        }
    }
}

/// Locks a mutex, also after a panic: no value here is ever incomplete.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The random walk of the prices. It is the same in each run.
struct Walk {
    /// The state of the random numbers (xorshift64).
    random: u64,
    /// The order in which the prices change. It is shuffled after each round.
    order: Vec<usize>,
    next: usize,
}

impl Walk {
    /// Returns the number of the next symbol, so that each has its turn once a round.
    fn next(&mut self) -> usize {
        if self.next == self.order.len() {
            self.next = 0;
            for at in (1..self.order.len()).rev() {
                let other = self.below(at as u32 + 1) as usize;
                self.order.swap(at, other);
            }
        }
        self.next += 1;
        self.order[self.next - 1]
    }

    /// Returns a random number below a bound.
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u32 % bound
    }
}
