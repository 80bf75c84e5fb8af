#[derive(Default)]
struct MyHandler;
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for MyHandler {
        type Protocol = __ws::AnyReply;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/websocket";
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Mounted for MyHandler {}
};
impl MyHandler {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.send_after(Duration::from_secs(1), Say("Hello!"));
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn echo(&mut self, text: &str) -> String {
        format!("That's what she said! {text}")
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn say(&mut self, Say(what): Say, cx: &mut Context<Self>) -> &'static str {
        cx.send_after(Duration::from_secs(1), Say("How' you doin'?"));
        what
    }
}
#[allow(
    dead_code,
    private_interfaces,
    deprecated,
    unit_bindings,
    unreachable_patterns,
    unused_parens,
    unused_qualifications,
    unused_variables,
    clippy::large_enum_variant,
    clippy::let_unit_value,
    clippy::too_many_lines,
    clippy::unit_arg
)]
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl MyHandler {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    pub enum __Info {
        Say(Say),
    }
    #[automatically_derived]
    impl __ws::OnInfo<Say> for MyHandler {
        fn info(message: Say) -> __Info {
            __Info::Say(message)
        }
    }
    const _: __ws::Declaration = __ws::Declaration::path_untaken(
        __ws::declaration::<MyHandler>(),
    );
    #[automatically_derived]
    impl __ws::Handler for MyHandler {
        type Info = __Info;
        type Call = ::core::convert::Infallible;
        type Upgrade = __ws::DefaultUpgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<MyHandler>();
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, __Info>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<::core::convert::Infallible> {
            match event {
                __ws::Event::Open => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("open")
                    });
                    let reply = Self::open(self, (cx));
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Text(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("echo")
                    });
                    let payload = match __ws::FromText::from_text(payload) {
                        ::core::result::Result::Ok(payload) => payload,
                        ::core::result::Result::Err(error) => {
                            return __ws::EventOutcome::failed(error);
                        }
                    };
                    let reply = Self::echo(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Info(__Info::Say(payload)) => {
                    __ws::note_method(const { &__ws::CalledMethod::new::<Self>("say") });
                    let reply = Self::say(self, payload, (cx));
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
    }
};
