using System.Net;
using Fairlead.Fleet.Spec;
using Fairlead.Health;

namespace Fairlead.Tests.Fleet;

/// <summary>What may stand under "check:" of a service, and what is said of what may not.</summary>
public class CheckKeysTests
{
    private const string File = """
        fleet: keys
        pops: {here: {nodes: {n1: {addresses: [198.51.100.2]}}}}
        services:
          web:
            ports: [PORT]
            backends: {here: [198.51.100.5]}
            check: CHECK

        """;

    private static string Text(string check, string port = "tcp/80") => File
        .Replace("PORT", port, StringComparison.Ordinal).Replace("CHECK", check, StringComparison.Ordinal);

    private static CheckSpec Read(string check, string port = "tcp/80")
    {
        FleetFile? file = FleetReader.Read("fleet.yaml", Text(check, port), out IReadOnlyList<SpecProblem> problems);
        Assert.True(file is not null, string.Join('\n', problems));
        return file.Spec.Services[0].Check;
    }

    public static TheoryData<string, int, string> Faults => new()
    {
        { "{kind: htpp}", 19, "unknown word \"htpp\"; did you mean \"http\"?" },
        { "{kind: http, headers: {Content-Type: a/b}}", 35, "the request's own" },
        { "{kind: http, headers: {host: a.example}}", 35, "the request's own" },
        { "{kind: tcp, path: /x}", 24, "a check of kind tcp does not use \"path\": it is for http, https" },
        { "{kind: http, daysMin: 3}", 25, "a check of kind http does not use \"daysMin\": it is for https, tls, grpc" },
        { "{kind: icmp, port: 7}", 25, "a check of kind icmp does not use \"port\"" },
        { "{kind: push, interval: 1s}", 25, "a check of kind push does not use \"interval\"" },
        { "{kind: http, status: 99}", 33, "expected a status such as 200, or a range such as 200-299" },
        { "{kind: http, status: [200-204, 204-200]}", 43, "expected a status such as 200" },
        { "{kind: http, body: \"(\"}", 31, "expected a regular expression" },
        { "{kind: http, body: \"(?=x)\"}", 31, "expected a regular expression" },
        { "{kind: http, headers: {\"a b\": c}}", 35, "expected a header's name" },
        { "{kind: http, headers: {a: \"b\\r\\nc: d\"}}", 38, "expected a header's value, without line ends" },
        { "{kind: http, version: 3}", 34, "unknown word \"3\"" },
        { "{kind: http, path: \"/a b\"}", 31, "expected a path such as /health" },
        { "{kind: udp, port: 9}", 12, "a check of kind udp needs \"send\"" },
        { "{kind: udp, send: x}", 12, "the check needs a udp port" },
        { "{kind: udp, port: 9, send: \"\u0107\"}", 39, "expected text of characters up to" },
        { "{kind: tls, key: x.pem}", 29, "a key needs \"certificate\"" },
        { "{kind: command}", 12, "a check of kind command needs \"command\"" },
        { "{kind: command, command: [check_disk, -w]}", 38, "expected the program's whole path" },
        { "{kind: composite}", 12, "a check of kind composite needs \"parts\"" },
        { "{kind: composite, parts: {a: {kind: tcp, fall: 0}}}", 59, "expected a number from 1 to 100" },
        { "{kind: composite, parts: {a: {kind: composite}}}", 41, "a composite's parts are no composites themselves" },
        { "{kind: composite, need: 3, parts: {a: {kind: tcp}, b: {kind: icmp}}}", 36, "expected at most 2" },
        { "{kind: composite, parts: {a: {kind: udp, port: 1}}}", 38, "needs \"send\"" },
        { "{recheck: 50ms}", 22, "expected at least 100ms" },
        { "{interval: 200ms, recheck: 300ms}", 39, "not longer than the interval" },
        { "{window: 200}", 21, "expected a number from 2 to 128" },
        { "{holdDown: 10m}", 23, "not longer than holdDownMax" },
        { "{source: [192.0.2.1, 192.0.2.2]}", 21, "expected at most one address a family" },
        { "{whileUnknown: maybe}", 27, "unknown word \"maybe\"" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_fault_is_named_where_it_stands(string check, int column, string message)
    {
        Assert.Null(FleetReader.Read("fleet.yaml", Text(check), out IReadOnlyList<SpecProblem> problems));

        Assert.True(
            problems.Any(problem => (problem.Line, problem.Column) == (7, column)
                && problem.Message.Contains(message, StringComparison.Ordinal)),
            string.Join('\n', problems));
    }

    [Fact]
    public void Every_kind_is_read_with_what_it_needs()
    {
        Assert.Equal(CheckKind.Tcp, Read("{send: \"PING\\r\\n\", expect: \"^.PONG\"}").Kind);
        Assert.Equal("PING\r\n", Read("{send: \"PING\\r\\n\"}").Send);
        CheckSpec http = Read(
            "{kind: https, version: 2, status: [200-299, 404], headers: {X-Token: abc}, body: ok}");
        Assert.Equal(CheckHttpVersion.Http2, http.Version);
        Assert.Equal([new StatusRange(200, 299), new StatusRange(404, 404)], http.Status);
        Assert.Equal([new HeaderLine("X-Token", "abc")], http.Headers);
        Assert.Equal([StatusRange.Of(204)], Read("{kind: http, status: 204}").Status);
        Assert.Equal(["/bin/true", "{address}"], Read("{kind: command, command: [/bin/true, \"{address}\"]}").Command);
        Assert.Equal(TimeSpan.FromMinutes(2), Read("{kind: push, ttl: 2m}").TimeToLive);
        Assert.Equal(CheckKind.Icmp, Read("{kind: icmp}", "udp/53").Kind);
        Assert.Equal("shop", Read("{kind: grpc, service: shop, tls: true, certificate: a.pem}").Service);
        Assert.Equal(WhileUnknown.Up, Read("{whileUnknown: up}").WhileUnknown);
        Assert.Equal(1, Read("{kind: composite, need: any, parts: {a: {kind: tcp}}}").Need);
    }

    [Fact]
    public void The_same_text_read_twice_is_the_same_check() => Assert.Equal(
        Read("{kind: composite, parts: {a: {kind: http, status: [200], headers: {A: b}}, b: {kind: icmp}}}"),
        Read("{kind: composite, parts: {a: {kind: http, status: [200], headers: {A: b}}, b: {kind: icmp}}}"));

    [Fact]
    public void A_part_asks_the_backend_at_the_port_of_its_kind_or_whom_it_names()
    {
        string text = Text("{kind: composite, parts: {a: {kind: tcp}, b: {kind: dns, address: 192.0.2.53, port: 53}}}");
        ServiceSpec service = FleetReader.Read("fleet.yaml", text, out _)!.Spec.Services[0];

        Check check = service.CheckOf("web/here/198.51.100.5", IPAddress.Parse("198.51.100.5"));

        Assert.Equal(["web/here/198.51.100.5#a", "web/here/198.51.100.5#b"], check.Parts.Select(part => part.Id));
        Assert.Equal(["198.51.100.5:80", "192.0.2.53:53"], check.Parts.Select(part => part.Target.ToString()));
        Assert.Equal(check, service.CheckOf("web/here/198.51.100.5", IPAddress.Parse("198.51.100.5")));
    }
}
