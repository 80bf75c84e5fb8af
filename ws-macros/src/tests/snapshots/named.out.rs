#[derive(Default)]
struct Board;
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Board {
        type Protocol = __ws::NamedMessages<Self>;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/rpc";
            declaration
        };
    }
    pub enum __Tags {}
    #[automatically_derived]
    impl __ws::TagNames for __Tags {
        const TAG: &'static ::core::primitive::str = "event";
        const CONTENT: ::core::option::Option<&'static ::core::primitive::str> = ::core::option::Option::None;
    }
    #[automatically_derived]
    impl __ws::Enveloped for Board {
        type Envelope = Tagged<__Tags>;
        type Sends = __ws::SendsOnly<Event>;
    }
    #[automatically_derived]
    impl __ws::Mounted for Board {}
};
impl Board {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn add(&mut self, a: i64, cx: &mut Context<Self>, b: Option<i64>) -> Answer<i64> {
        a.checked_add(b.unwrap_or_default()).ok_or(Overflow)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn build(&mut self, Params(report): Params<Report>) -> Built {
        report.build().await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn typing(&mut self, room: &str) -> Event {
        Event::Typing {
            room: room.to_owned(),
        }
    }
    #[cfg(feature = "search")]
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn search<'a>(&mut self, text: &'a str, limit: usize) -> Vec<Hit<'static>> {
        find(text, limit).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn other(&mut self, text: &str) {}
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
    impl Board {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    pub enum __Call {
        Build((Params<Report>,), __ws::Caller<__ws::EnvelopeOf<Board>>),
        #[cfg(feature = "search")]
        Search(
            ::core::option::Option<__ws::Box<__ws::RawValue>>,
            __ws::Caller<__ws::EnvelopeOf<Board>>,
        ),
        __Batch(__ws::Box<__ws::BatchRest<Board>>),
    }
    const _: __ws::Declaration = __ws::Declaration::path_untaken(
        __ws::declaration::<Board>(),
    );
    #[automatically_derived]
    impl __ws::Handler for Board {
        type Info = ::core::convert::Infallible;
        type Call = __Call;
        type Upgrade = __ws::DefaultUpgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Board>();
        const ASYNC: ::core::primitive::bool = true;
        const NAMED: ::core::primitive::bool = true;
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, ::core::convert::Infallible>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match event {
                __ws::Event::Text(text) => __ws::dispatch_text(self, text, cx),
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn call(
            instance: &mut __ws::HandlerInstance<Self>,
            call: __Call,
        ) -> __ws::MethodFuture<'_, Self> {
            match call {
                __Call::Build((arg0,), caller) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::build(this, arg0).await;
                        let result = __ws::Answering(reply).answer(caller, cx);
                        (instance, result)
                    })
                }
                #[cfg(feature = "search")]
                __Call::Search(params, caller) => {
                    __ws::box_method(async move {
                        let (arg0, arg1) = match __ws::arguments(
                            params.as_deref(),
                            &["text", "limit"],
                            (
                                __ws::ArgumentType::<__ws::TextArgument<'_>>::new().slot(),
                                __ws::ArgumentType::<usize>::new().slot(),
                            ),
                        ) {
                            ::core::result::Result::Ok(values) => values,
                            ::core::result::Result::Err(error) => {
                                return __ws::refuse_async(error, caller, instance);
                            }
                        };
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::search(this, &arg0, arg1).await;
                        let result = __ws::Answering(reply).answer(caller, cx);
                        (instance, result)
                    })
                }
                __Call::__Batch(rest) => __ws::run_batch(instance, *rest),
            }
        }
    }
    #[allow(unused_imports)]
    use __ws::{AnswerValue as _, UnusableArgument as _};
    #[automatically_derived]
    impl __ws::NamedMethods for Board {
        type Envelope = __ws::EnvelopeOf<Board>;
        type EnvelopedSelf = Board;
        fn named(
            &mut self,
            name: &::core::primitive::str,
            params: ::core::option::Option<&__ws::RawValue>,
            caller: __ws::Caller<__ws::EnvelopeOf<Board>>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match name {
                "add" => {
                    __ws::note_method(const { &__ws::CalledMethod::new::<Self>("add") });
                    let (arg0, arg1) = match __ws::arguments(
                        params,
                        &["a", "b"],
                        (
                            __ws::ArgumentType::<i64>::new().slot(),
                            __ws::ArgumentType::<Option<i64>>::new().slot(),
                        ),
                    ) {
                        ::core::result::Result::Ok(values) => values,
                        ::core::result::Result::Err(error) => {
                            return __ws::refuse(error, caller, cx);
                        }
                    };
                    let reply = Self::add(self, arg0, (cx), arg1);
                    __ws::EventOutcome::from_result(
                        __ws::Answering(reply).answer(caller, cx),
                    )
                }
                "report.build" => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("build")
                    });
                    __ws::EventOutcome::Call(
                        __Call::Build(
                            {
                                let arg0 = match __ws::params::<Params<Report>>(params) {
                                    ::core::result::Result::Ok(value) => value,
                                    ::core::result::Result::Err(error) => {
                                        return __ws::refuse(error, caller, cx);
                                    }
                                };
                                (arg0,)
                            },
                            caller,
                        ),
                    )
                }
                "typing" => {
                    if caller.is_call() {
                        return __ws::not_a_call("typing", caller, cx);
                    }
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("typing")
                    });
                    let (arg0,) = match __ws::arguments(
                        params,
                        &["room"],
                        (__ws::ArgumentType::<__ws::TextArgument<'_>>::new().slot(),),
                    ) {
                        ::core::result::Result::Ok(values) => values,
                        ::core::result::Result::Err(error) => {
                            return __ws::refuse(error, caller, cx);
                        }
                    };
                    let reply = Self::typing(self, &arg0);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                #[cfg(feature = "search")]
                "search" => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("search")
                    });
                    __ws::EventOutcome::Call(
                        __Call::Search(params.map(__ws::copy_params), caller),
                    )
                }
                _ => __ws::unknown_name(name, caller, cx),
            }
        }
        fn text(
            &mut self,
            text: &::core::primitive::str,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match __ws::Event::<'_, ::core::convert::Infallible>::Text(text) {
                __ws::Event::Text(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("other")
                    });
                    let payload = match __ws::FromText::from_text(payload) {
                        ::core::result::Result::Ok(payload) => payload,
                        ::core::result::Result::Err(error) => {
                            return __ws::EventOutcome::failed(error);
                        }
                    };
                    let reply = Self::other(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn batch(rest: __ws::Box<__ws::BatchRest<Self>>) -> __Call {
            __Call::__Batch(rest)
        }
    }
};
