enum Desk {
    Visitor(Visitor),
    User(User),
}
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Desk {
        type Protocol = __ws::NamedMessages<Self>;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/rpc";
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Enveloped for Desk {
        type Envelope = JsonRpc;
        type Sends = __ws::AnyReply;
    }
    #[automatically_derived]
    impl __ws::Mounted for Desk {}
    #[automatically_derived]
    impl __ws::States for Desk {
        const NAMES: &'static [&'static ::core::primitive::str] = &["Visitor", "User"];
        fn index(&self) -> ::core::primitive::usize {
            match self {
                Self::Visitor(_) => 0usize,
                Self::User(_) => 1usize,
            }
        }
        fn accepts(state: &dyn __ws::Any) -> ::core::primitive::bool {
            <dyn __ws::Any>::is::<Visitor>(state) || <dyn __ws::Any>::is::<User>(state)
        }
        fn change(
            &mut self,
            state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
        ) -> ::core::primitive::bool {
            let state = match __ws::Box::<
                dyn __ws::Any + ::core::marker::Send,
            >::downcast::<Visitor>(state) {
                ::core::result::Result::Ok(state) => {
                    *self = Self::Visitor(*state);
                    return true;
                }
                ::core::result::Result::Err(state) => state,
            };
            let state = match __ws::Box::<
                dyn __ws::Any + ::core::marker::Send,
            >::downcast::<User>(state) {
                ::core::result::Result::Ok(state) => {
                    *self = Self::User(*state);
                    return true;
                }
                ::core::result::Result::Err(state) => state,
            };
            ::core::mem::drop(state);
            false
        }
    }
    #[automatically_derived]
    impl __ws::HasState<Visitor> for Desk
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 0usize>,
    {
        const INDEX: ::core::primitive::usize = 0usize;
        fn state(&self) -> ::core::option::Option<&Visitor> {
            match self {
                Self::Visitor(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn state_mut(&mut self) -> ::core::option::Option<&mut Visitor> {
            match self {
                Self::Visitor(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn from_state(state: Visitor) -> Self {
            Self::Visitor(state)
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Desk> for Visitor
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Desk>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Desk as __ws::HasState<Visitor>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Desk> for __ws::Upgrade<Visitor>
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Desk>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
    #[automatically_derived]
    impl __ws::HasState<User> for Desk
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 1usize>,
    {
        const INDEX: ::core::primitive::usize = 1usize;
        fn state(&self) -> ::core::option::Option<&User> {
            match self {
                Self::User(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn state_mut(&mut self) -> ::core::option::Option<&mut User> {
            match self {
                Self::User(state) => ::core::option::Option::Some(state),
                _ => ::core::option::Option::None,
            }
        }
        fn from_state(state: User) -> Self {
            Self::User(state)
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Desk> for User
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Desk>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Desk as __ws::HasState<User>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Desk> for __ws::Upgrade<User>
    where
        for<'__states> Desk: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Desk>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
};
/**The states of the handler.

```mermaid
stateDiagram-v2
    [*] --> Visitor: join
    Visitor --> User: on_call account#58;login
    User --> Visitor: on_call logout
```*/
impl Desk {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn join() -> Visitor {
        Visitor
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn login(
        visitor: &mut Visitor,
        name: &str,
    ) -> Result<(Welcome, Goto<User>), Refused> {
        visitor.check(name).await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn status(_: &mut Visitor) -> &'static str {
        "visitor"
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn user_status(user: &mut User, prefix: String, cx: &mut Context<Self>) -> String {
        user.status(&prefix, cx)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn typing(&mut self, room: String) {
        typing(room);
    }
    #[cfg(feature = "logout")]
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn logout(user: &mut User) -> Goto<Visitor> {
        Goto(Visitor)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn version(&mut self) -> u8 {
        1
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
    impl Desk {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    #[automatically_derived]
    impl<const __INDEX: ::core::primitive::usize> __ws::UsesStates<'_, __INDEX>
    for Desk {}
    const __STATES: &[&::core::primitive::str] = <Desk as __ws::HasState<Visitor>>::ALL;
    const _: () = __ws::check_event(
        __STATES,
        "#[on_call(\"account:login\")]",
        &[<Desk as __ws::HasState<Visitor>>::INDEX],
        &[],
        true,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_call(\"status\")]",
        &[
            <Desk as __ws::HasState<Visitor>>::INDEX,
            <Desk as __ws::HasState<User>>::INDEX,
        ],
        &[],
        true,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_message(\"typing\")]",
        &[],
        &[<Desk as __ws::HasState<Visitor>>::INDEX],
        true,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_call(\"logout\")]",
        &[#[cfg(feature = "logout")] <Desk as __ws::HasState<User>>::INDEX],
        &[],
        true,
    );
    const _: () = __ws::check_reached(
        __STATES,
        &[
            <Desk as __ws::HasState<Visitor>>::INDEX,
            <Desk as __ws::HasState<User>>::INDEX,
            #[cfg(feature = "logout")]
            <Desk as __ws::HasState<Visitor>>::INDEX,
        ],
    );
    pub enum __Call {
        Login(
            ::core::option::Option<__ws::Box<__ws::RawValue>>,
            __ws::Caller<__ws::EnvelopeOf<Desk>>,
        ),
        __Batch(__ws::Box<__ws::BatchRest<Desk>>),
    }
    pub struct __Upgrade;
    #[automatically_derived]
    impl<__S: ::core::marker::Send + ::core::marker::Sync> __ws::OnUpgrade<Desk, __S>
    for __Upgrade {
        async fn upgrade(
            parts: &mut __ws::Parts,
            state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<Desk>, __ws::Response> {
            let made = <Desk>::join();
            __ws::IntoUpgrade::<Desk>::into_upgrade(made)
        }
    }
    const _: __ws::Declaration = __ws::Declaration::path_untaken(
        __ws::declaration::<Desk>(),
    );
    #[automatically_derived]
    impl __ws::Handler for Desk {
        type Info = ::core::convert::Infallible;
        type Call = __Call;
        type Upgrade = __Upgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Desk>();
        const ASYNC: ::core::primitive::bool = true;
        const NAMED: ::core::primitive::bool = true;
        const STATES: &'static [&'static ::core::primitive::str] = __STATES;
        fn state_index(&self) -> ::core::primitive::usize {
            <Desk as __ws::HasState<Visitor>>::current(self)
        }
        fn is_state(state: &dyn __ws::Any) -> ::core::primitive::bool {
            <Desk as __ws::HasState<Visitor>>::accepts_state(state)
        }
        fn set_state(
            &mut self,
            state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
        ) -> ::core::primitive::bool {
            <Desk as __ws::HasState<Visitor>>::change_state(self, state)
        }
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
                __Call::Login(params, caller) => {
                    __ws::box_method(async move {
                        let (arg0,) = match __ws::arguments(
                            params.as_deref(),
                            &["name"],
                            (__ws::ArgumentType::<__ws::TextArgument<'_>>::new().slot(),),
                        ) {
                            ::core::result::Result::Ok(values) => values,
                            ::core::result::Result::Err(error) => {
                                return __ws::refuse_async(error, caller, instance);
                            }
                        };
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let ::core::option::Option::Some(this) = <Self as __ws::HasState<
                            Visitor,
                        >>::state_mut(this) else {
                            return __ws::wrong_state_async(
                                "account:login",
                                caller,
                                instance,
                            );
                        };
                        let reply = Self::login(this, &arg0).await;
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
    impl __ws::NamedMethods for Desk {
        type Envelope = __ws::EnvelopeOf<Desk>;
        type EnvelopedSelf = Desk;
        fn named(
            &mut self,
            name: &::core::primitive::str,
            params: ::core::option::Option<&__ws::RawValue>,
            caller: __ws::Caller<__ws::EnvelopeOf<Desk>>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call> {
            match name {
                "account:login" => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Visitor,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("login")
                            });
                            __ws::EventOutcome::Call(
                                __Call::Login(params.map(__ws::copy_params), caller),
                            )
                        };
                    }
                    __ws::wrong_state(self, "account:login", caller, cx)
                }
                "status" => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Visitor,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("status")
                            });
                            let () = match __ws::arguments(params, &[], ()) {
                                ::core::result::Result::Ok(values) => values,
                                ::core::result::Result::Err(error) => {
                                    return __ws::refuse(error, caller, cx);
                                }
                            };
                            let reply = Self::status(state);
                            __ws::EventOutcome::from_result(
                                __ws::Answering(reply).answer(caller, cx),
                            )
                        };
                    }
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        User,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("user_status")
                            });
                            let (arg0,) = match __ws::arguments(
                                params,
                                &["prefix"],
                                (__ws::ArgumentType::<String>::new().slot(),),
                            ) {
                                ::core::result::Result::Ok(values) => values,
                                ::core::result::Result::Err(error) => {
                                    return __ws::refuse(error, caller, cx);
                                }
                            };
                            let reply = Self::user_status(state, arg0, (cx));
                            __ws::EventOutcome::from_result(
                                __ws::Answering(reply).answer(caller, cx),
                            )
                        };
                    }
                    __ws::wrong_state(self, "status", caller, cx)
                }
                "typing" => {
                    if ::core::option::Option::is_some(
                        &<Self as __ws::HasState<Visitor>>::state_mut(self),
                    ) {
                        return __ws::wrong_state(self, "typing", caller, cx);
                    }
                    if caller.is_call() {
                        return __ws::not_a_call("typing", caller, cx);
                    }
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("typing")
                    });
                    let (arg0,) = match __ws::arguments(
                        params,
                        &["room"],
                        (__ws::ArgumentType::<String>::new().slot(),),
                    ) {
                        ::core::result::Result::Ok(values) => values,
                        ::core::result::Result::Err(error) => {
                            return __ws::refuse(error, caller, cx);
                        }
                    };
                    let reply = Self::typing(self, arg0);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                #[cfg(feature = "logout")]
                "logout" => {
                    #[cfg(feature = "logout")]
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        User,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("logout")
                            });
                            let () = match __ws::arguments(params, &[], ()) {
                                ::core::result::Result::Ok(values) => values,
                                ::core::result::Result::Err(error) => {
                                    return __ws::refuse(error, caller, cx);
                                }
                            };
                            let reply = Self::logout(state);
                            __ws::EventOutcome::from_result(
                                __ws::Answering(reply).answer(caller, cx),
                            )
                        };
                    }
                    __ws::wrong_state(self, "logout", caller, cx)
                }
                "version" => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("version")
                    });
                    let () = match __ws::arguments(params, &[], ()) {
                        ::core::result::Result::Ok(values) => values,
                        ::core::result::Result::Err(error) => {
                            return __ws::refuse(error, caller, cx);
                        }
                    };
                    let reply = Self::version(self);
                    __ws::EventOutcome::from_result(
                        __ws::Answering(reply).answer(caller, cx),
                    )
                }
                _ => __ws::unknown_name(name, caller, cx),
            }
        }
        fn batch(rest: __ws::Box<__ws::BatchRest<Self>>) -> __Call {
            __Call::__Batch(rest)
        }
    }
};
