impl Board {
    /// Adds two numbers.
    #[deprecated]
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn add(&mut self, a: i64, r#type: Option<i64>) -> i64 {
        a
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn pay(&mut self, Params(order): Params<Order>) -> Result<Receipt, Refused> {
        todo!()
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn typed(&mut self, text: &str) {}
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
        Pay((Params<Order>,), __ws::Caller<__ws::EnvelopeOf<Board>>),
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
                __Call::Pay((arg0,), caller) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::pay(this, arg0).await;
                        let result = __ws::Answering(reply).answer(caller, cx);
                        (instance, result)
                    })
                }
                __Call::__Batch(rest) => __ws::run_batch(instance, *rest),
            }
        }
        __ws::contract_items! {
            fn describe(to : & mut __ws::contract::Description) {
            #[allow(unused_imports)] use __ws::contract:: { NoErrors as _, OtherExtractor
            as _, PlainAnswer as _ }; __ws::contract::begin:: << Self as __ws::Declared >
            ::Protocol > (to, 1u32, ""); { let method =
            __ws::contract::MethodText::new("add", "Adds two numbers.", & []); let
            content = __ws::contract::ArgumentList::new(to).one:: < i64 > ("a").one:: <
            Option < i64 > > ("type").content(); let result = __ws::contract::AnswerOf::
            < i64 > ::new().answer(to); let errors = __ws::contract::ErrorsOf:: < i64 >
            ::new().errors(to); __ws::contract::call(to, method, content, result,
            errors); } { let method = __ws::contract::MethodText::new("pay", "", & []);
            let content = __ws::contract::all_params:: < Params < Order > > (to); let
            result = __ws::contract::AnswerOf:: < Result < Receipt, Refused > > ::new()
            .answer(to); let errors = __ws::contract::ErrorsOf:: < Result < Receipt,
            Refused > > ::new().errors(to); __ws::contract::call(to, method, content,
            result, errors); } { let method = __ws::contract::MethodText::new("typed.in",
            "", & []); let content = __ws::contract::ArgumentList::new(to).one:: <
            __ws::String > ("text").content(); __ws::contract::message(to, method,
            content); } __ws::contract::client_call:: < Confirm > (to);
            __ws::contract::client_call:: < remote::Restart > (to); }
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
                        &["a", "type"],
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
                    let reply = Self::add(self, arg0, arg1);
                    __ws::EventOutcome::from_result(
                        __ws::Answering(reply).answer(caller, cx),
                    )
                }
                "pay" => {
                    __ws::note_method(const { &__ws::CalledMethod::new::<Self>("pay") });
                    __ws::EventOutcome::Call(
                        __Call::Pay(
                            {
                                let arg0 = match __ws::params::<Params<Order>>(params) {
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
                "typed.in" => {
                    if caller.is_call() {
                        return __ws::not_a_call("typed.in", caller, cx);
                    }
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("typed")
                    });
                    let (arg0,) = match __ws::arguments(
                        params,
                        &["text"],
                        (__ws::ArgumentType::<__ws::TextArgument<'_>>::new().slot(),),
                    ) {
                        ::core::result::Result::Ok(values) => values,
                        ::core::result::Result::Err(error) => {
                            return __ws::refuse(error, caller, cx);
                        }
                    };
                    let reply = Self::typed(self, &arg0);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                _ => __ws::unknown_name(name, caller, cx),
            }
        }
        fn batch(rest: __ws::Box<__ws::BatchRest<Self>>) -> __Call {
            __Call::__Batch(rest)
        }
    }
};
::ws_core::private::client_only! {
    #[doc =
    "A client of [`Board`]: its calls and messages as methods. It dereferences to `client::Remote`, which has the messages and the end."]
    #[derive(::core::clone::Clone, ::core::fmt::Debug)] #[allow(private_interfaces)] pub
    (crate) struct BoardClient(::ws_core::private::Remote < Board >); #[doc =
    "The calls of [`Board`] to its client. `async fn` implements the methods, and `BoardClient::answers` passes calls to them."]
    #[allow(dead_code, private_interfaces)] pub (crate) trait BoardClientCalls :
    ::core::marker::Send + ::core::marker::Sync + 'static { #[doc = "Answers `Confirm`."]
    fn confirm(& self, call : Confirm,) -> impl ::core::future::Future < Output =
    ::core::result::Result < < Confirm as ::ws_core::private::Call > ::Returns,
    ::ws_core::private::CallError, >, > + ::core::marker::Send; #[doc =
    "Answers `remote::Restart`."] fn restart(& self, call : remote::Restart,) -> impl
    ::core::future::Future < Output = ::core::result::Result < < remote::Restart as
    ::ws_core::private::Call > ::Returns, ::ws_core::private::CallError, >, > +
    ::core::marker::Send; } #[allow(dead_code, private_interfaces, unused_qualifications,
    clippy::missing_errors_doc, clippy::needless_pass_by_value,
    clippy::too_many_arguments)] const _ : () = { use ::ws_core::private as __ws; impl
    BoardClient { #[doc =
    r" Connects to a server, with the default settings. Returns when the connection is open."]
    #[doc = r""] #[doc = r" # Errors"] #[doc = r""] #[doc =
    r" Returns the error of the last attempt."] pub (crate) async fn connect(url : &
    ::core::primitive::str,) -> ::core::result::Result < Self, __ws::ConnectError > {
    Self::connect_with(__ws::Client::new(url), __ws::RemoteAnswers::new()). await } #[doc
    =
    r" Connects to a server, with settings and with functions for calls of the server."]
    #[doc = r""] #[doc = r" # Errors"] #[doc = r""] #[doc =
    r" Returns the error of the last attempt."] pub (crate) async fn connect_with(client
    : __ws::Client, answers : __ws::RemoteAnswers,) -> ::core::result::Result < Self,
    __ws::ConnectError > { __ws::Remote::connect(client, answers). await .map(Self) }
    #[doc = r" Returns the answers to the calls of the server, for `connect_with`."] pub
    (crate) fn answers(calls : impl BoardClientCalls) -> __ws::RemoteAnswers { let calls
    = __ws::Arc::new(calls); __ws::RemoteAnswers::new().on({ let calls =
    __ws::Arc::clone(& calls); move | call : Confirm | { let calls = __ws::Arc::clone(&
    calls); async move { BoardClientCalls::confirm(& * calls, call). await } } }).on({
    let calls = __ws::Arc::clone(& calls); move | call : remote::Restart | { let calls =
    __ws::Arc::clone(& calls); async move { BoardClientCalls::restart(& * calls, call).
    await } } }) } #[doc = " Adds two numbers."] #[deprecated] pub (crate) async fn add(&
    self, a : i64, r#type : Option < i64 >) -> ::core::result::Result < i64,
    __ws::RemoteCallError < __ws::CallError >> { self.0.call("add",
    __ws::RemoteParams::new().with("a", & a).with("type", & r#type)). await } #[doc =
    "Calls `pay`."] pub (crate) async fn pay(& self, params : Params < Order >) ->
    ::core::result::Result < Receipt, __ws::RemoteCallError < Refused >> { self.0
    .call("pay", __ws::RemoteParams::all(& params.0)). await } #[doc =
    "Sends a message to `typed.in`."] pub (crate) fn typed(& self, text : & str) ->
    ::core::result::Result < (), __ws::ClientCallError > { self.0.send("typed.in",
    __ws::RemoteParams::new().with("text", & text)) } } #[automatically_derived] impl
    ::core::ops::Deref for BoardClient { type Target = __ws::Remote < Board >; fn deref(&
    self) -> & Self::Target { & self.0 } } };
}
