struct Chat {
    name: String,
    room: Room,
}
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Chat {
        type Protocol = __ws::AnyReply;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/chat/{room}";
            declaration.options.subprotocols = &["chat.v2", "chat.v1"];
            declaration.options.idle_timeout = ::core::option::Option::Some(
                __ws::nanos(60000000000u64),
            );
            declaration.options.max_message_size = __ws::bytes(65536u64);
            declaration.options.overflow = __ws::Overflow::DropOldest;
            declaration.options.compress = {
                let mut compress = __ws::Compress::DEFAULT;
                compress.level = 1;
                ::core::option::Option::Some(compress)
            };
            declaration.limits_messages = true;
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Mounted for Chat {}
    const _: __ws::Declaration = __ws::Declaration::checked(
        <Chat as __ws::Declared>::DECLARATION,
    );
};
impl Chat {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn join(
        Path(room): Path<String>,
        State(hub): State<Hub>,
    ) -> Result<Self, StatusCode> {
        hub.join(room).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn open(&mut self, cx: &mut Context<Self>) {
        self.room.enter(cx.addr()).await;
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn said(&mut self, Json(said): Json<Said>) -> Result<(), Full> {
        self.room.say(said).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn picture(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.send(self.room.keep(bytes).await);
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn pinged(&mut self) {
        self.room.seen();
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn heard(&mut self, said: Arc<Said>) -> Json<Arc<Said>> {
        Json(said)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn leave(&mut self, _: Leave) -> Close {
        self.room.leave().await;
        Close::default()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn drained(&mut self) {}
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn lagged(&mut self, missed: u64) -> Result<String, Full> {
        self.room.again(missed).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn keep_alive(&mut self) -> Ping {
        Ping::default()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn long_enough(&mut self, cx: &mut Context<Self>) {
        cx.close(1000);
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn failed(&mut self, error: &HandlerError) -> String {
        error.to_string()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn left(&mut self, reason: &CloseReason) {
        self.room.left(reason).await;
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
    impl Chat {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    pub enum __Info {
        Heard(Arc<Said>),
        Leave(Leave),
    }
    pub enum __Call {
        Open,
        Said(Json<Said>),
        Picture(__ws::Vec<::core::primitive::u8>),
        Leave(Leave),
        Lagged(::core::primitive::u64),
        Left(__ws::CloseReason),
    }
    #[automatically_derived]
    impl __ws::OnInfo<Arc<Said>> for Chat {
        fn info(message: Arc<Said>) -> __Info {
            __Info::Heard(message)
        }
    }
    #[automatically_derived]
    impl __ws::OnInfo<Leave> for Chat {
        fn info(message: Leave) -> __Info {
            __Info::Leave(message)
        }
    }
    pub struct __Upgrade;
    #[automatically_derived]
    impl<__S: ::core::marker::Send + ::core::marker::Sync> __ws::OnUpgrade<Chat, __S>
    for __Upgrade
    where
        Path<String>: __ws::Extractor<__S>,
        State<Hub>: __ws::StateExtractor<__S>,
    {
        async fn upgrade(
            parts: &mut __ws::Parts,
            state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            __ws::check_path::<Path<String>>();
            let arg0 = <Path<String> as __ws::Extractor<__S>>::extract(parts, state)
                .await?;
            let arg1 = <State<Hub> as __ws::Extractor<__S>>::extract(parts, state)
                .await?;
            let made = <Chat>::join(arg0, arg1).await;
            __ws::IntoUpgrade::<Chat>::into_upgrade(made)
        }
    }
    const _: __ws::Declaration = __ws::Declaration::path_takes(
        __ws::declaration::<Chat>(),
        1usize,
    );
    #[automatically_derived]
    impl __ws::Handler for Chat {
        type Info = __Info;
        type Call = __Call;
        type Upgrade = __Upgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Chat>();
        const TIMERS: &'static [__ws::Timer] = &[
            __ws::Timer::new(8usize, __ws::nanos(30000000000u64), true),
            __ws::Timer::new(9usize, LIMIT, false),
        ];
        const ASYNC: ::core::primitive::bool = true;
        const ON_ERROR: ::core::primitive::bool = true;
        const ON_DRAIN: ::core::primitive::bool = true;
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, __Info>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match event {
                __ws::Event::Open => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("open")
                    });
                    __ws::EventOutcome::Call(__Call::Open)
                }
                __ws::Event::Text(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("said")
                    });
                    __ws::EventOutcome::Call(
                        __Call::Said(
                            match __ws::FromText::from_text(payload) {
                                ::core::result::Result::Ok(payload) => payload,
                                ::core::result::Result::Err(error) => {
                                    return __ws::EventOutcome::failed(error);
                                }
                            },
                        ),
                    )
                }
                __ws::Event::Binary(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("picture")
                    });
                    __ws::EventOutcome::Call(
                        __Call::Picture(::core::convert::From::from(payload)),
                    )
                }
                __ws::Event::Ping(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("pinged")
                    });
                    let reply = Self::pinged(self);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Info(__Info::Heard(payload)) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("heard")
                    });
                    let reply = Self::heard(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Info(__Info::Leave(payload)) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("leave")
                    });
                    __ws::EventOutcome::Call(__Call::Leave(payload))
                }
                __ws::Event::Drain => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("drained")
                    });
                    let reply = Self::drained(self);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Lagged(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("lagged")
                    });
                    __ws::EventOutcome::Call(__Call::Lagged(payload))
                }
                __ws::Event::Timer(8usize) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("keep_alive")
                    });
                    let reply = Self::keep_alive(self);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Timer(9usize) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("long_enough")
                    });
                    let reply = Self::long_enough(self, (cx));
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Error(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("failed")
                    });
                    let reply = Self::failed(self, &payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Close(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("left")
                    });
                    __ws::EventOutcome::Call(
                        __Call::Left(::core::clone::Clone::clone(payload)),
                    )
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn call(
            instance: &mut __ws::HandlerInstance<Self>,
            call: __Call,
        ) -> __ws::MethodFuture<'_, Self> {
            match call {
                __Call::Open => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::open(this, (cx)).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::Said(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::said(this, payload).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::Picture(payload) => {
                    __ws::box_method(async move {
                        let payload = match __ws::FromBinary::from_binary(&payload) {
                            ::core::result::Result::Ok(payload) => payload,
                            ::core::result::Result::Err(error) => {
                                return __ws::decode_failed(instance, error);
                            }
                        };
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::picture(this, payload, (cx)).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::Leave(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::leave(this, payload).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::Lagged(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::lagged(
                                this,
                                __ws::MissedCount::from_count(payload),
                            )
                            .await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::Left(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::left(this, &payload).await;
                        let result = ::core::result::Result::Ok(reply);
                        (instance, result)
                    })
                }
            }
        }
    }
};
