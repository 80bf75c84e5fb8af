enum Board {
    Guest(Guest),
    Member(Member),
}
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl __ws::Declared for Board {
        type Protocol = __ws::NamedMessages<Self>;
        const DECLARATION: __ws::Declaration = {
            let mut declaration = __ws::Declaration::DEFAULT;
            declaration.path = "/board/{id}";
            declaration
        };
    }
    #[automatically_derived]
    impl __ws::Enveloped for Board {
        type Envelope = JsonRpc;
        type Sends = __ws::AnyReply;
    }
    #[automatically_derived]
    impl __ws::Mounted for Board {}
    #[automatically_derived]
    impl __ws::States for Board {
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
    impl __ws::HasState<Guest> for Board
    where
        for<'__states> Board: __ws::UsesStates<'__states, 0usize>,
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
    impl __ws::IntoUpgrade<Board> for Guest
    where
        for<'__states> Board: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Board>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Board as __ws::HasState<Guest>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Board> for __ws::Upgrade<Guest>
    where
        for<'__states> Board: __ws::UsesStates<'__states, 0usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Board>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
    #[automatically_derived]
    impl __ws::HasState<Member> for Board
    where
        for<'__states> Board: __ws::UsesStates<'__states, 1usize>,
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
    impl __ws::IntoUpgrade<Board> for Member
    where
        for<'__states> Board: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Board>, __ws::Response> {
            __ws::IntoUpgrade::into_upgrade(
                <Board as __ws::HasState<Member>>::from_state(self),
            )
        }
    }
    #[automatically_derived]
    impl __ws::IntoUpgrade<Board> for __ws::Upgrade<Member>
    where
        for<'__states> Board: __ws::UsesStates<'__states, 1usize>,
    {
        fn into_upgrade(
            self,
        ) -> ::core::result::Result<__ws::Upgrade<Board>, __ws::Response> {
            __ws::upgrade_to_state(self)
        }
    }
};
/**The states of the handler.

```mermaid
stateDiagram-v2
    [*] --> Guest: join
    Guest --> Member: on_call login
```*/
/// A board.
impl Board {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn join(Path(id): Path<u32>) -> Guest {
        Guest(id)
    }
    /// Logs in.
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn login(
        guest: &mut Guest,
        Params(name): Params<Name>,
    ) -> Result<Goto<Member>, Refused> {
        guest.login(name)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn typed<'a>(member: &mut Member, text: Option<&'a str>, room: Cow<'a, str>) {
        member.typed(text, room);
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn text(&mut self, text: Json<Line>) -> Option<String> {
        None
    }
    #[cfg(feature = "binary")]
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn binary(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.into()
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
    impl Board {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    #[automatically_derived]
    impl<const __INDEX: ::core::primitive::usize> __ws::UsesStates<'_, __INDEX>
    for Board {}
    const __STATES: &[&::core::primitive::str] = <Board as __ws::HasState<Guest>>::ALL;
    const _: () = __ws::check_event(
        __STATES,
        "#[on_call(\"login\")]",
        &[<Board as __ws::HasState<Guest>>::INDEX],
        &[],
        true,
    );
    const _: () = __ws::check_event(
        __STATES,
        "#[on_message(\"typed.in\")]",
        &[<Board as __ws::HasState<Member>>::INDEX],
        &[<Board as __ws::HasState<Guest>>::INDEX],
        true,
    );
    const _: () = __ws::check_reached(
        __STATES,
        &[
            <Board as __ws::HasState<Guest>>::INDEX,
            <Board as __ws::HasState<Member>>::INDEX,
        ],
    );
    pub struct __Upgrade;
    #[automatically_derived]
    impl<__S: ::core::marker::Send + ::core::marker::Sync> __ws::OnUpgrade<Board, __S>
    for __Upgrade
    where
        Path<u32>: __ws::Extractor<__S>,
    {
        async fn upgrade(
            parts: &mut __ws::Parts,
            state: &__S,
        ) -> ::core::result::Result<__ws::Upgrade<Board>, __ws::Response> {
            __ws::check_path::<Path<u32>>();
            let arg0 = <Path<u32> as __ws::Extractor<__S>>::extract(parts, state).await?;
            let made = <Board>::join(arg0);
            __ws::IntoUpgrade::<Board>::into_upgrade(made)
        }
    }
    const _: __ws::Declaration = __ws::Declaration::path_takes(
        __ws::declaration::<Board>(),
        1usize,
    );
    #[automatically_derived]
    impl __ws::Handler for Board {
        type Info = ::core::convert::Infallible;
        type Call = ::core::convert::Infallible;
        type Upgrade = __Upgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::declaration::<Board>();
        const NAMED: ::core::primitive::bool = true;
        const STATES: &'static [&'static ::core::primitive::str] = __STATES;
        fn state_index(&self) -> ::core::primitive::usize {
            <Board as __ws::HasState<Guest>>::current(self)
        }
        fn is_state(state: &dyn __ws::Any) -> ::core::primitive::bool {
            <Board as __ws::HasState<Guest>>::accepts_state(state)
        }
        fn set_state(
            &mut self,
            state: __ws::Box<dyn __ws::Any + ::core::marker::Send>,
        ) -> ::core::primitive::bool {
            <Board as __ws::HasState<Guest>>::change_state(self, state)
        }
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, ::core::convert::Infallible>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<::core::convert::Infallible> {
            match event {
                __ws::Event::Text(text) => __ws::dispatch_text(self, text, cx),
                #[cfg(feature = "binary")]
                __ws::Event::Binary(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("binary")
                    });
                    let payload = match __ws::FromBinary::from_binary(payload) {
                        ::core::result::Result::Ok(payload) => payload,
                        ::core::result::Result::Err(error) => {
                            return __ws::EventOutcome::failed(error);
                        }
                    };
                    let reply = Self::binary(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        __ws::contract_items! {
            fn describe(to : & mut __ws::contract::Description) {
            #[allow(unused_imports)] use __ws::contract:: { NoErrors as _, OtherExtractor
            as _, PlainAnswer as _ }; __ws::contract::begin:: << Self as __ws::Declared >
            ::Protocol > (to, 2u32, "A board."); __ws::contract::ExtractorOf:: < Path <
            u32 > > ::new().describe(to); { let method =
            __ws::contract::MethodText::new("login", "Logs in.", & ["Guest"]); let
            content = __ws::contract::all_params:: < Params < Name > > (to); let result =
            __ws::contract::AnswerOf:: < Result < Goto < Member >, Refused > > ::new()
            .answer(to); let errors = __ws::contract::ErrorsOf:: < Result < Goto < Member
            >, Refused > > ::new().errors(to); __ws::contract::call(to, method, content,
            result, errors); } { let method = __ws::contract::MethodText::new("typed.in",
            "", & ["Member"]); let content = __ws::contract::ArgumentList::new(to).one::
            < ::core::option::Option < __ws::String > > ("text").one:: < Cow < '_, str >
            > ("room").content(); __ws::contract::message(to, method, content); } { let
            method = __ws::contract::MethodText::new("text", "", & []);
            __ws::contract::text_payload:: < Json < Line > > (to, method);
            __ws::contract::reply:: < Option < String >, << Self as __ws::Declared >
            ::Protocol as __ws::MessageProtocol > ::Sends > (to, method); } #[cfg(feature
            = "binary")] { let method = __ws::contract::MethodText::new("binary", "", &
            []); __ws::contract::binary_payload:: < & [u8] > (to, method);
            __ws::contract::reply:: < Vec < u8 >, << Self as __ws::Declared > ::Protocol
            as __ws::MessageProtocol > ::Sends > (to, method); }
            __ws::contract::client_call:: < Confirm > (to); __ws::contract::reply:: <
            Json < Line >, << Self as __ws::Declared > ::Protocol as
            __ws::MessageProtocol > ::Sends > (to,
            __ws::contract::MethodText::new("message", "", & []));
            __ws::contract::close(to, 4401u16, "log in"); __ws::contract::states(to, <
            Self as __ws::Handler > ::STATES, & ["Guest"], & [("Guest", "Member",
            "on_call", "login")],); }
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
        ) -> __ws::EventOutcome<::core::convert::Infallible> {
            match name {
                "login" => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Guest,
                    >>::state_mut(self) {
                        return {
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("login")
                            });
                            let arg0 = match __ws::params::<Params<Name>>(params) {
                                ::core::result::Result::Ok(value) => value,
                                ::core::result::Result::Err(error) => {
                                    return __ws::refuse(error, caller, cx);
                                }
                            };
                            let reply = Self::login(state, arg0);
                            __ws::EventOutcome::from_result(
                                __ws::Answering(reply).answer(caller, cx),
                            )
                        };
                    }
                    __ws::wrong_state(self, "login", caller, cx)
                }
                "typed.in" => {
                    if let ::core::option::Option::Some(state) = <Self as __ws::HasState<
                        Member,
                    >>::state_mut(self) {
                        return {
                            if caller.is_call() {
                                return __ws::not_a_call("typed.in", caller, cx);
                            }
                            __ws::note_method(const {
                                &__ws::CalledMethod::new::<Self>("typed")
                            });
                            let (arg0, arg1) = match __ws::arguments(
                                params,
                                &["text", "room"],
                                (
                                    __ws::ArgumentType::<
                                        ::core::option::Option<__ws::TextArgument<'_>>,
                                    >::new()
                                        .slot(),
                                    __ws::ArgumentType::<Cow<'_, str>>::new().slot(),
                                ),
                            ) {
                                ::core::result::Result::Ok(values) => values,
                                ::core::result::Result::Err(error) => {
                                    return __ws::refuse(error, caller, cx);
                                }
                            };
                            let reply = Self::typed(state, arg0.as_deref(), arg1);
                            __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                        };
                    }
                    if ::core::option::Option::is_some(
                        &<Self as __ws::HasState<Guest>>::state_mut(self),
                    ) {
                        return __ws::wrong_state(self, "typed.in", caller, cx);
                    }
                    __ws::wrong_state(self, "typed.in", caller, cx)
                }
                _ => __ws::unknown_name(name, caller, cx),
            }
        }
        fn text(
            &mut self,
            text: &::core::primitive::str,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<::core::convert::Infallible> {
            match __ws::Event::<'_, ::core::convert::Infallible>::Text(text) {
                __ws::Event::Text(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("text")
                    });
                    let payload = match __ws::FromText::from_text(payload) {
                        ::core::result::Result::Ok(payload) => payload,
                        ::core::result::Result::Err(error) => {
                            return __ws::EventOutcome::failed(error);
                        }
                    };
                    let reply = Self::text(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
    }
};
