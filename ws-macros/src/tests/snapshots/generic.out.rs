struct Relay<M, const N: usize>([Option<M>; N]);
const _: () = {
    use ::ws_core::private as __ws;
    #[automatically_derived]
    impl<M: ::core::marker::Send + 'static, const N: usize> __ws::Declared
    for Relay<M, N> {
        type Protocol = __ws::AnyReply;
        const DECLARATION: __ws::Declaration = __ws::Declaration::DEFAULT;
    }
};
impl<M: Clone + Sync, const N: usize> Relay<M, N>
where
    Self: Encode<M>,
{
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn message(&mut self, message: M) -> Vec<u8> {
        self.encode(message)
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn published(&mut self, message: std::sync::Arc<M>) -> Vec<u8> {
        self.encode(M::clone(&message))
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    fn lagged(&mut self, cx: &mut Context<Self>, missed: u64) -> Result<(), String> {
        Err(format!("{missed} messages were missed, {} bytes wait", cx.buffered()))
    }
    #[cfg(feature = "slow")]
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::unused_self
    )]
    async fn all(&mut self, messages: [M; N], cx: &mut Context<Self>) {
        for message in messages {
            cx.send(self.encode(message));
        }
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
    impl<M: Clone + Sync + ::core::marker::Send + 'static, const N: usize> Relay<M, N>
    where
        Self: Encode<M>,
    {
        const A_HANDLER_HAS_ONE_WEBSOCKET_IMPL__MOVE_THE_METHODS_INTO_IT: () = ();
    }
    pub enum __Info<M: Clone + Sync + ::core::marker::Send + 'static, const N: usize>
    where
        Relay<M, N>: Encode<M>,
    {
        Message(M),
        Published(std::sync::Arc<M>),
        #[cfg(feature = "slow")]
        All([M; N]),
        __Unused(
            ::core::convert::Infallible,
            ::core::marker::PhantomData<fn() -> (::core::marker::PhantomData<M>,)>,
        ),
    }
    pub enum __Call<M: Clone + Sync + ::core::marker::Send + 'static, const N: usize>
    where
        Relay<M, N>: Encode<M>,
    {
        #[cfg(feature = "slow")]
        All([M; N]),
        __Unused(
            ::core::convert::Infallible,
            ::core::marker::PhantomData<fn() -> (::core::marker::PhantomData<M>,)>,
        ),
    }
    #[automatically_derived]
    impl<
        M: Clone + Sync + ::core::marker::Send + 'static,
        const N: usize,
    > __ws::OnInfo<M> for Relay<M, N>
    where
        Self: Encode<M>,
    {
        fn info(message: M) -> __Info<M, N> {
            __Info::Message(message)
        }
    }
    #[automatically_derived]
    impl<
        M: Clone + Sync + ::core::marker::Send + 'static,
        const N: usize,
    > __ws::OnInfo<std::sync::Arc<M>> for Relay<M, N>
    where
        Self: Encode<M>,
    {
        fn info(message: std::sync::Arc<M>) -> __Info<M, N> {
            __Info::Published(message)
        }
    }
    #[cfg(feature = "slow")]
    #[automatically_derived]
    impl<
        M: Clone + Sync + ::core::marker::Send + 'static,
        const N: usize,
    > __ws::OnInfo<[M; N]> for Relay<M, N>
    where
        Self: Encode<M>,
    {
        fn info(message: [M; N]) -> __Info<M, N> {
            __Info::All(message)
        }
    }
    #[automatically_derived]
    impl<M: Clone + Sync + ::core::marker::Send + 'static, const N: usize> __ws::Handler
    for Relay<M, N>
    where
        Self: Encode<M>,
    {
        type Info = __Info<M, N>;
        type Call = __Call<M, N>;
        type Upgrade = __ws::DefaultUpgrade;
        const CHECKED_DECLARATION: __ws::Declaration = __ws::Declaration::path_untaken(
            __ws::declaration::<Relay<M, N>>(),
        );
        const ASYNC: ::core::primitive::bool = ::core::cfg!(any(all(feature = "slow")));
        #[inline(always)]
        fn event(
            &mut self,
            event: __ws::Event<'_, __Info<M, N>>,
            cx: &mut __ws::Context<Self>,
        ) -> __ws::EventOutcome<__Call<M, N>> {
            match event {
                __ws::Event::Info(__Info::Message(payload)) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("message")
                    });
                    let reply = Self::message(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Info(__Info::Published(payload)) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("published")
                    });
                    let reply = Self::published(self, payload);
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                __ws::Event::Lagged(payload) => {
                    __ws::note_method(const {
                        &__ws::CalledMethod::new::<Self>("lagged")
                    });
                    let reply = Self::lagged(
                        self,
                        (cx),
                        __ws::MissedCount::from_count(payload),
                    );
                    __ws::EventOutcome::from_result(__ws::reply(cx, reply))
                }
                #[cfg(feature = "slow")]
                __ws::Event::Info(__Info::All(payload)) => {
                    __ws::note_method(const { &__ws::CalledMethod::new::<Self>("all") });
                    __ws::EventOutcome::Call(__Call::All(payload))
                }
                _ => __ws::EventOutcome::Unhandled,
            }
        }
        fn call(
            instance: &mut __ws::HandlerInstance<Self>,
            call: __Call<M, N>,
        ) -> __ws::MethodFuture<'_, Self> {
            match call {
                #[cfg(feature = "slow")]
                __Call::All(payload) => {
                    __ws::box_method(async move {
                        let (this, cx) = __ws::HandlerInstance::parts(instance);
                        let reply = Self::all(this, payload, (cx)).await;
                        let result = __ws::reply(cx, reply);
                        (instance, result)
                    })
                }
                __Call::__Unused(never, _) => match never {}
            }
        }
    }
};
