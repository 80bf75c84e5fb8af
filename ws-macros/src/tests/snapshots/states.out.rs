enum Chat {
    Guest(Guest),
    Member(Member),
}
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Chat {
        type Protocol = __ws::AnyReply;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/chat";
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Mounted for Chat {}
    #[automatically_derived]
    impl __ws::States for Chat {
        const NAMES: &'static [&'static ::core::primitive::str] = &["Guest", "Member"];
        fn index(&self) -> ::core::primitive::usize {
            match self {
                Self::Guest(_) => 0usize,
                Self::Member(_) => 1usize,
            }
        }
        fn accepts(state: &dyn __ws::Any) -> ::core::primitive::bool {
            <dyn __ws::Any>::is::<Guest>(state) || <dyn __ws::Any>::is::<Member>(state)
        }
        fn change(
            &mut self,
            state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
        ) -> ::core::primitive::bool {
            let state = match __ws::Box::<
                dyn __ws::Any + ::core::marker::Send,
            >::downcast::<Guest>(state) {
                ::core::result::Result::Ok(state) => {
                    *self = Self::Guest(*state);
                    return true;
                }
                ::core::result::Result::Err(state) => state,
            };
            let state = match __ws::Box::<
                dyn __ws::Any + ::core::marker::Send,
            >::downcast::<Member>(state) {
                ::core::result::Result::Ok(state) => {
                    *self = Self::Member(*state);
                    return true;
                }
                ::core::result::Result::Err(state) => state,
            };
            ::core::mem::drop(state);
            false
        }
    }
    #[automatically_derived]
    impl __ws::HasState<Guest> for Chat
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 0usize>,
    {
        const INDEX: ::core::primitive::usize = 0usize;
        fn state(&self) -> ::core::option::Option<&Guest> {
            match self {
                Self::Guest(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn state_mut(&mut self) -> ::core::option::Option<&mut Guest> {
            match self {
                Self::Guest(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn from_state(state: Guest) -> Self {
            Self::Guest(state)
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Chat> for Guest
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Chat as __ws::HasState<Guest>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Chat> for __ws::Upgrade<Guest>
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
    #[automatically_derived]
    impl __ws::HasState<Member> for Chat
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 1usize>,
    {
        const INDEX: ::core::primitive::usize = 1usize;
        fn state(&self) -> ::core::option::Option<&Member> {
            match self {
                Self::Member(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn state_mut(&mut self) -> ::core::option::Option<&mut Member> {
            match self {
                Self::Member(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn from_state(state: Member) -> Self {
            Self::Member(state)
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Chat> for Member
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Chat as __ws::HasState<Member>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Chat> for __ws::Upgrade<Member>
    where
        for<'__states> Chat: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
};
/**The states of the handler.

```mermaid
stateDiagram-v2
    [*] --> Guest: join
    Guest --> Member: on_text login
    Member --> Guest: on_binary logout
```*/
impl Chat {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn join() -> Guest {
        Guest::default()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn login(
        guest: &mut Guest,
        Json(login): Json<Login>,
    ) -> Result<Goto<Member>, Close> {
        guest.check(login).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn too_late(_: &mut Guest) -> Close {
        Close::new(4401, "log in first")
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn welcome(member: &mut Member) -> String {
        member.greeting()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn said(member: &mut Member, text: &str, cx: &mut Context<Self>) {
        member.say(text, cx);
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn logout(member: &mut Member, _: &[u8]) -> (&'static str, Goto<Guest>) {
        member.logout()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn news(&mut self, news: News) -> String {
        news.0
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn member_news(member: &mut Member, news: News) -> String {
        member.name(news)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn left(&mut self, reason: &CloseReason) {
        log(reason);
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
    #[automatically_derived]
    impl<const __INDEX: ::core::primitive::usize> __ws::UsesStates<'_, __INDEX>
    for Chat {}
    const __STATES: &[&::core::primitive::str] = <Chat as __ws::HasState<Guest>>::ALL;
    const _: () = __ws::check_event(
        __STATES,
        "#[on_text]",
        &[
            <Chat as __ws::HasState<Guest>>::INDEX,
            <Chat as __ws::HasState<Member>>::INDEX,
        ],
        &[],
        false,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_enter]",
        &[<Chat as __ws::HasState<Member>>::INDEX],
        &[],
        true,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_binary]",
        &[<Chat as __ws::HasState<Member>>::INDEX],
        &[<Chat as __ws::HasState<Guest>>::INDEX],
        false,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_info]",
        &[<Chat as __ws::HasState<Member>>::INDEX],
        &[],
        true,
    );
    const _: () = __ws::check_reached(
        __STATES,
        &[
            <Chat as __ws::HasState<Guest>>::INDEX,
            <Chat as __ws::HasState<Member>>::INDEX,
            <Chat as __ws::HasState<Guest>>::INDEX,
        ],
    );
    pub enum __Info {
        News(News),
    }
    pub enum __Call {
        Login(Json<Login>),
    }
    #[automatically_derived]
    impl __ws::OnInfo<News> for Chat {
        fn info(message: News) -> __Info {
            __Info::News(message)
        }
    }
    pub struct __Upgrade;
    #[automatically_derived]
    impl<__S: ::core::marker::Send + ::core::marker::Sync> __ws::OnUpgrade<Chat, __S>
    for __Upgrade {
        async fn upgrade(
            parts: &mut __ws::Parts,
            state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<Chat>, __ws::Response> {
            let made = <Chat>::join();
            __ws::IntoUpgrade::<Chat>::into_upgrade(made)
        }
    }
    const _: __ws::Declaration = __ws::Declaration::path_untaken(
        __ws::declaration::<Chat>(),
    );
    #[automatically_derived]
    impl __ws::Handler for Chat {
        type Info = __Info;
        type Call = __Call;
        type Upgrade = __Upgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Chat>();
        const ASYNC: ::core::primitive::bool = true;
        const STATES: &'static [&'static ::core::primitive::str] = __STATES;
        const STATE_TIMERS: &'static [__ws::StateTimer] = &[
            __ws::StateTimer::new(
                <Chat as __ws::HasState<Guest>>::INDEX,
                __ws::Timer::new(1usize, __ws::nanos(5000000000u64), false),
            ),
        ];
        fn state_index(&self) -> ::core::primitive::usize {
            <Chat as __ws::HasState<Guest>>::current(self)
        }
        fn is_state(state: &dyn __ws::Any) -> ::core::primitive::bool {
            <Chat as __ws::HasState<Guest>>::accepts_state(state)
        }
        fn set_state(
            &mut self,
            state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
        ) -> ::core::primitive::bool {
            <Chat as __ws::HasState<Guest>>::change_state(self, state)
        }
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, __Info>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match event {
                __ws::Event::Text(payload) => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Guest,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("login")
                            });
                            let payload = payload;
                            __ws::EventOutcome::Call(
                                __Call::Login(
                                    match __ws::FromText::from_text(payload) {
                                        ::core::result::Result::Ok(payload) => payload,
                                        ::core::result::Result::Err(error) => {
                                            return __ws::EventOutcome::failed(error);
                                        }
                                    },
                                ),
                            )
                        };
                    }
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Member,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("said")
                            });
                            let payload = payload;
                            let payload = match __ws::FromText::from_text(payload) {
                                ::core::result::Result::Ok(payload) => payload,
                                ::core::result::Result::Err(error) => {
                                    return __ws::EventOutcome::failed(error);
                                }
                            };
                            let reply = Self::said(state, payload, (cx));
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    __ws::EventOutcome::Unhandled
                }
                __ws::Event::Timer(1usize) => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Guest,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("too_late")
                            });
                            let reply = Self::too_late(state);
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    __ws::EventOutcome::Unhandled
                }
                __ws::Event::Enter => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Member,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("welcome")
                            });
                            let reply = Self::welcome(state);
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    __ws::EventOutcome::Unhandled
                }
                __ws::Event::Binary(payload) => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Member,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("logout")
                            });
                            let payload = payload;
                            let payload = match __ws::FromBinary::from_binary(payload) {
                                ::core::result::Result::Ok(payload) => payload,
                                ::core::result::Result::Err(error) => {
                                    return __ws::EventOutcome::failed(error);
                                }
                            };
                            let reply = Self::logout(state, payload);
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    if ::core::option::Option::is_some(
                        &<Self as __ws::HasState<Guest>>::state_mut(self),
                    ) {
                        return __ws::EventOutcome::Done;
                    }
                    __ws::EventOutcome::Unhandled
                }
                __ws::Event::Info(__Info::News(payload)) => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Member,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("member_news")
                            });
                            let payload = payload;
                            let reply = Self::member_news(state, payload);
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("news")
                    });
                    let reply = Self::news(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Close(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("left")
                    });
                    let reply = Self::left(self, payload);
                    __ws::EventOutcome::from_result(::core::result::Result::Ok(reply))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn call(
            instance: &mut __ws::HandlerInstance<Self>,
            call: __Call,
        ) -> __ws::MethodFuture<'_, Self> {
            match call {
                __Call::Login(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let ::core::option::Option::Some(this) = <Self as __ws::HasState<
                            Guest,
                        >>::state_mut(this) else {
                            return (instance, ::core::result::Result::Ok(()));
                        };
                        let reply = Self::login(this, payload).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
            }
        }
    }
};
