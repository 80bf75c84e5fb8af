// uWebSockets, as its example `EchoServer` has it: `server MODE ADDRESS`.

#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

struct PerSocketData {};

using Socket = uWS::WebSocket<false, true, PerSocketData>;

constexpr auto ROOM = "room";
constexpr unsigned int LIMIT = 16 * 1024 * 1024;

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "server MODE ADDRESS\n");
        return 1;
    }
    const std::string mode = arguments[1], address = arguments[2];
    const bool fanout = mode == "fanout";
    const auto colon = address.rfind(':');

    uWS::App app;
    app.ws<PerSocketData>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = LIMIT,
        .idleTimeout = 60,
        .maxBackpressure = LIMIT,
        .open = [fanout](Socket *ws) {
            if (fanout) {
                ws->subscribe(ROOM);
            }
        },
        .message = [fanout, &app](Socket *ws, std::string_view message, uWS::OpCode kind) {
            if (fanout) {
                app.publish(ROOM, message, kind, false);
            } else {
                ws->send(message, kind, false);
            }
        },
    });
    app.listen(address.substr(0, colon), atoi(address.c_str() + colon + 1), [](auto *listener) {
        if (!listener) {
            exit(1);
        }
    });
    app.run();
}
