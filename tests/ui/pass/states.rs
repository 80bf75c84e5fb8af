//! States in unusual handlers.

use ws_core::prelude::*;

/// One type twice, and through an alias. No method belongs to a state.
#[websocket(path = "/twice")]
enum Twice {
    A(String),
    B(Alias),
}

type Alias = String;

#[websocket]
impl Twice {
    #[on_upgrade]
    fn join() -> Self {
        Self::A(String::new())
    }

    #[on_text]
    fn text(&mut self, text: String) {
        let is_first = matches!(self, Self::A(_));
        *self = if is_first { Self::B(text) } else { Self::A(text) };
    }
}

/// The parameters of the type are states, which may be one type. No method belongs to a state.
#[websocket(path = "/either")]
enum Either<L, R> {
    Left(L),
    Right(R),
    Result(Result<L, R>),
}

#[websocket]
impl<L: Default, R> Either<L, R> {
    #[on_upgrade]
    fn join() -> Self {
        Self::Left(L::default())
    }

    #[on_ping]
    fn ping(&mut self) -> reply::Text {
        match self {
            Self::Left(_) | Self::Result(_) => reply::Text("left"),
            Self::Right(_) => reply::Text("right"),
        }
    }
}

mod reply {
    use ws_core::prelude::*;

    pub struct Text(pub &'static str);

    impl IntoReply for Text {
        fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
            self.0.into_reply(to)
        }
    }
}

/// A generic handler with states, with conditions, and with a single payload for several methods.
#[websocket(path = "/job")]
enum Job<T>
where
    T: Default,
{
    Waiting(Waiting<T>),
    Running(Running<T>),
    Done(Done),
}

#[derive(Default)]
struct Waiting<T>(Vec<T>);
struct Running<T>(T);
struct Done;

#[websocket]
impl<T: Default + Clone + Send + Sync + 'static> Job<T> {
    #[on_upgrade]
    async fn join() -> Result<Upgrade<Waiting<T>>, StatusCode> {
        Ok(Upgrade::new(Waiting::default()).header("x-job", "new"))
    }

    #[on_info]
    fn waiting_info(waiting: &mut Waiting<T>, item: Arc<T>) -> Option<Goto<Running<T>>> {
        waiting.0.push(T::clone(&item));
        waiting.0.pop().map(|item| Goto(Running(item)))
    }

    #[on_info]
    async fn running_info(running: &mut Running<T>, item: Arc<T>, cx: &mut Context<Self>) {
        running.0 = T::clone(&item);
        cx.send("replaced");
    }

    #[on_info]
    fn done_info(_: &mut Done, _: Arc<T>) {}

    #[cfg(unix)]
    #[on_text(ignore(Waiting<T>, Done))]
    fn text(_: &mut Running<T>, _: &str) -> (&'static str, Deferred<Goto<Done>>) {
        ("soon", Deferred::new(async { Goto(Done) }))
    }

    #[cfg(not(unix))]
    #[on_text]
    fn text(&mut self, _: &str) -> [Goto<Done>; 1] {
        [Goto(Done)]
    }

    #[cfg(any())]
    #[on_enter]
    fn never(_: &mut Running<T>) {}

    #[cfg(all())]
    #[on_enter]
    fn always(_: &mut Running<T>) {}

    #[every(1s)]
    fn tick(_: &mut Running<T>) {}

    #[after(1s)]
    async fn late(self: &mut Self) {}
}

/// A single state, in a macro.
macro_rules! single {
    ($name:ident $state:ident) => {
        #[websocket(path = "/single")]
        enum $name {
            $state($state),
        }

        #[derive(Default)]
        struct $state;

        #[websocket]
        impl $name {
            #[on_upgrade]
            fn join() -> $state {
                $state
            }

            #[on_text]
            fn text(state: &mut $state, text: &str, cx: &mut Context<Self>) -> Goto<$state> {
                let _ = state;
                cx.send(text);
                Goto($state)
            }

            #[on_text]
            #[cfg(any())]
            fn text(&mut self, _: &str) {}
        }
    };
}

single!(Single Only);

fn main() {
    let _: Router =
        Router::new().mount::<Twice>().mount::<Either<String, String>>().mount::<Job<u8>>().mount::<Single>();
    assert!(matches!(Twice::A(String::new()), Twice::A(_)));
}
