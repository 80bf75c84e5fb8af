#[derive(Default)]
struct Orders;
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Orders {
        type Protocol = __ws::AnyReply;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/orders";
            declaration.options.session = {
                let mut session = __ws::SessionOptions::DEFAULT;
                session.resume = __ws::nanos(120000000000u64);
                session.buffer = __ws::bytes(65536u64);
                session.poll_timeout = __ws::nanos(20000000000u64);
                ::core::option::Option::Some(session)
            };
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Mounted for Orders {}
    const _: __ws::Declaration = __ws::Declaration::checked(
        <Orders as __ws::Declared>::DECLARATION,
    );
};
impl Orders {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn away(&mut self) {}
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn back(&mut self, cx: &mut Context<Self>) -> &'static str {
        "welcome back"
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
    impl Orders {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    pub enum __Call {
        Back,
    }
    const _: __ws::Declaration = __ws::Declaration::path_untaken(
        __ws::declaration::<Orders>(),
    );
    const _: __ws::Declaration = __ws::Declaration::for_sessions(
        __ws::declaration::<Orders>(),
        true,
    );
    #[automatically_derived]
    impl __ws::Handler for Orders {
        type Info = ::core::convert::Infallible;
        type Call = __Call;
        type Upgrade = __ws::DefaultUpgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Orders>();
        const ASYNC: ::core::primitive::bool = true;
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, ::core::convert::Infallible>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match event {
                __ws::Event::Detach => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("away")
                    });
                    let reply = Self::away(self);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Attach => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("back")
                    });
                    __ws::EventOutcome::Call(__Call::Back)
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn call(
            instance: &mut __ws::HandlerInstance<Self>,
            call: __Call,
        ) -> __ws::MethodFuture<'_, Self> {
            match call {
                __Call::Back => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::back(this, (cx)).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
            }
        }
    }
};
