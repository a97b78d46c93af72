using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;
using Fairlead.Health;
using YamlDotNet.RepresentationModel;
using static Fairlead.Fleet.Spec.Yaml.FleetShapes;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The part of the fleet file's declaration that says what is asked of backends.</summary>
internal static class CheckShapes
{
    private static readonly (string Word, CheckKind Kind)[] Kinds =
    [
        ("tcp", CheckKind.Tcp), ("http", CheckKind.Http), ("https", CheckKind.Https), ("tls", CheckKind.Tls),
        ("dns", CheckKind.Dns), ("udp", CheckKind.Udp), ("grpc", CheckKind.Grpc), ("icmp", CheckKind.Icmp),
        ("command", CheckKind.Command), ("push", CheckKind.Push), ("composite", CheckKind.Composite),
        ("none", CheckKind.None),
    ];

    private static readonly string[] OfTries =
        ["interval", "timeout", "fall", "rise", "recheck", "window", "failPercent", "address"];

    private static readonly string[] OfTls =
        ["host", "serverName", "verifyCertificate", "authority", "certificate", "key", "daysMin"];

    private static readonly string[] OfHttp =
        [.. OfTries, "port", "source", "host", "path", "version", "headers", "status", "body"];

    private static readonly string[] OfStates = ["kind", "holdDown", "holdDownMax", "whileUnknown"];

    private static readonly string[] OfNone = ["interval", "port"];

    private static readonly Scalar<string> HeaderName = new(
        "a header's name", (string text, out string value) =>
            (value = text).All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c)),
        "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");

    private static readonly Scalar<string> HeaderValue = new(
        "a header's value, without line ends",
        (string text, out string value) => (value = text).All(c => c is >= ' ' and <= '~'));

    // What is sent and heard is bytes, a character each; YAML writes others than letters as "\x81".
    private static readonly Scalar<string> Bytes = new(
        "text of characters up to \\xff, a byte each",
        (string text, out string value) => (value = text).All(c => c <= '\xff'));

    private static readonly Scalar<string> Pattern = new(
        "a regular expression (without look-around and back references)",
        (string text, out string value) => Patterns.Fault(value = text) is null);

    private static readonly Scalar<StatusRange> StatusRange = new(
        "a status such as 200, or a range such as 200-299",
        (string text, out StatusRange value) =>
        {
            string[] ends = text.Split('-');
            bool read = int.TryParse(ends[0], out int first) & int.TryParse(ends[^1], out int last);
            value = new StatusRange(first, last);
            return read && ends.Length <= 2 && first is >= 100 and <= 599 && last <= 599 && first <= last;
        },
        "^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$");

    private static readonly Scalar<int> Need = new(
        "all, any, or a number of parts",
        (string text, out int value) =>
        {
            value = text == "any" ? 1 : 0;
            return text is "all" or "any" || (int.TryParse(text, out value) && value is >= 1 and <= 100);
        },
        "^(all|any|[0-9]+)$");

    private static readonly ObjectOf<CheckSpec> Fields = new("a check", f => Tries(f, States(f, Tls(f, Question(f)))));

    public static readonly Shape<CheckSpec> Check = new FittingKeys();

    // A part is written as a check is: in the schema it points there.
    private static MapOf<CheckSpec> Parts => new(Name, new Part());

    /// <summary>What is asked, and of whom.</summary>
    private static CheckSpec Question(Fields f) => new()
    {
        Kind = f.Optional("kind", new OneOf<CheckKind>(Kinds), CheckKind.Tcp,
            "what is asked: tcp connects; http and https send a GET; tls shakes hands; dns asks a question; udp sends "
            + "a datagram; grpc asks grpc.health.v1; icmp pings; command runs a program; push waits to be told; "
            + "composite is made of parts; none: it is up"),
        Address = f.Optional<IPAddress?>("address", Address!, null, "who is asked; default the backend"),
        Port = f.Optional<int?>("port", Nullable(Number(1, 65535)), null,
            "default: the service's first tcp port, for dns and udp its first udp port"),
        Source = Values(f.Optional("source", new ListOf<IPAddress>(Address), [],
            "our own address, at most one a family; default the kernel's choice")),
        Path = f.Optional("path", Text, "/", "http: what is asked for"),
        Host = f.Optional<string?>("host", Text!, null,
            "http, tls: Host header and TLS server name; default the address"),
        Version = f.Optional("version",
            new OneOf<CheckHttpVersion>(("1.1", CheckHttpVersion.Http11), ("2", CheckHttpVersion.Http2)),
            CheckHttpVersion.Http11,
            "http: the version that is spoken"),
        Headers = Values(
            f.Optional("headers", new MapOf<string>(HeaderName, HeaderValue), [], "http: headers of the request"),
            pair => new HeaderLine(pair.Key, pair.Value)),
        Status = Values(f.Optional("status", new OneOrMore<StatusRange>(StatusRange), [],
            "http: the healthy statuses; default 200-399")),
        Body = f.Optional<string?>("body", Pattern!, null, "http: a regular expression that the body must match"),
        Send = f.Optional<string?>("send", Bytes!, null, "tcp, udp: what is sent"),
        Expect = f.Optional<string?>("expect", Pattern!, null,
            "tcp, udp: a regular expression that the answer must match"),
        Name = f.Optional("name", Text, ".", "dns: what is asked for"),
        Type = f.Optional("type",
            new OneOf<CheckRecordType>([.. Enum.GetValues<CheckRecordType>().Select(one => (one.ToString(), one))]),
            CheckRecordType.NS, "dns: the type of record that must be in the answer"),
        Answer = f.Optional<IPAddress?>("answer", Address!, null, "dns: an address that must be in the answer"),
        Service = f.Optional("service", Text, "", "grpc: the service that is asked about; default the whole server"),
        Command = Values(f.Optional("command", new ListOf<string>(Text), [],
            "command: the program and its arguments; {address} and {port} stand for the backend's")),
        TimeToLive = f.Optional("ttl", Duration, TimeSpan.FromSeconds(30),
            "push: how long a report counts that does not say so itself"),
        Parts = Values(f.Optional("parts", Parts, [], "composite: checks by name"),
            pair => new CheckPart(pair.Key, pair.Value)),
        Need = f.Optional("need", Need, 0, "composite: all, any, or how many parts must be up"),
    };

    private static CheckSpec Tls(Fields f, CheckSpec check) => check with
    {
        Tls = f.Optional("tls", Switch, false, "grpc: whether it is spoken in TLS"),
        ServerName = f.Optional<string?>("serverName", Text!, null,
            "https, tls, grpc: the name that is asked for (SNI) and that the certificate is for; default host"),
        VerifyCertificate =
            f.Optional("verifyCertificate", Switch, true, "https, tls, grpc: whether the certificate must be valid"),
        Authority = f.Optional<string?>("authority", Text!, null,
            "https, tls, grpc: a PEM file of the authorities that count; default the system's"),
        Certificate = f.Optional<string?>("certificate", Text!, null,
            "https, tls, grpc: a PEM file with our own certificate"),
        Key = f.Optional<string?>("key", Text!, null, "the certificate's key; default in the same file"),
        DaysMin = f.Optional("daysMin", Number(0, 3650), 0,
            "https, tls, grpc: the days that the certificate must still be valid"),
    };

    private static CheckSpec States(Fields f, CheckSpec check) => check with
    {
        HoldDown = f.Optional("holdDown", Duration, TimeSpan.Zero,
            "how long it stays down at least; doubles with each further fall"),
        HoldDownMax = f.Optional("holdDownMax", Duration, TimeSpan.FromMinutes(5),
            "the longest hold-down; being up for as long forgets the falls"),
        WhileUnknown = f.Optional("whileUnknown", new OneOf<WhileUnknown>(
            ("wait", WhileUnknown.Wait), ("up", WhileUnknown.Up), ("down", WhileUnknown.Down)), WhileUnknown.Wait,
            "what it counts as before its first result; wait: neither"),
    };

    private static CheckSpec Tries(Fields f, CheckSpec check) => check with
    {
        Interval = f.Optional("interval", Duration, TimeSpan.FromSeconds(1), "time between tries"),
        Recheck = f.Optional<TimeSpan?>("recheck", Nullable(Duration), null,
            "time between tries while results speak against the state; default the interval"),
        Timeout = f.Optional<TimeSpan?>("timeout", Nullable(Duration), null,
            "time one try may take; default half the interval"),
        Fall = f.Optional("fall", Number(1, 100), 3, "failures in a row that turn it down"),
        Rise = f.Optional("rise", Number(1, 100), 2, "successes in a row that turn it up"),
        Window = f.Optional("window", Number(2, CheckSpec.WindowMax), 0,
            "how many of the last results failPercent is of; default: only results in a row count"),
        FailPercent = f.Optional("failPercent", Number(1, 100), 10,
            "the share of failures in the window that turns it down; with half of it, it may rise again"),
    };

    private static string[] KeysOf(CheckKind kind) =>
    [
        .. OfStates,
        .. kind switch
        {
            CheckKind.Tcp or CheckKind.Udp => [.. OfTries, "port", "source", "send", "expect"],
            CheckKind.Http => OfHttp,
            CheckKind.Https => [.. OfHttp, .. OfTls],
            CheckKind.Tls => [.. OfTries, .. OfTls, "port", "source"],
            CheckKind.Grpc => [.. OfTries, .. OfTls, "port", "source", "tls", "service"],
            CheckKind.Dns => [.. OfTries, "port", "source", "name", "type", "answer"],
            CheckKind.Icmp => [.. OfTries, "source"],
            CheckKind.Command => [.. OfTries, "port", "command"],
            CheckKind.Push => ["ttl"],
            CheckKind.Composite => ["parts", "need"],
            _ => OfNone,
        },
    ];

    private static ValueList<T> Values<T>(ImmutableArray<T> list) => new(list.IsDefault ? [] : list);

    private static ValueList<TTo> Values<TFrom, TTo>(ImmutableArray<TFrom> list, Func<TFrom, TTo> make) =>
        new(list.IsDefault ? [] : [.. list.Select(make)]);

    /// <summary>
    /// A check whose kind uses every key that is given: what does nothing must not look as if it did.
    /// </summary>
    private sealed class FittingKeys : Shape<CheckSpec>
    {
        public override bool TryRead(YamlNode node, Reading reading, out CheckSpec? value)
        {
            if (!Fields.TryRead(node, reading, out value)) return false;
            CheckKind kind = value!.Kind;
            string[] fitting = KeysOf(kind);
            foreach (YamlNode key in ((YamlMappingNode)node).Children.Keys)
            {
                string name = ((YamlScalarNode)key).Value!;
                string[] users =
                    [.. Kinds.Where(one => KeysOf(one.Kind).Contains(name)).Select(one => one.Word)];
                if (users.Length == 0 || fitting.Contains(name)) continue;
                reading.Fault(key, $"a check of kind {Kinds.First(one => one.Kind == kind).Word} does not use "
                    + $"\"{name}\": it is for {string.Join(", ", users)}");
            }

            return true;
        }

        public override JsonObject Schema() => Fields.Schema();
    }

    private sealed class Part : Shape<CheckSpec>
    {
        public override bool TryRead(YamlNode node, Reading reading, out CheckSpec? value)
        {
            if (!Check.TryRead(node, reading, out value)) return false;
            if (value!.Kind is not CheckKind.Composite) return true;
            reading.Fault(node, "a composite's parts are no composites themselves");
            return false;
        }

        public override JsonObject Schema() =>
            new() { ["$ref"] = "#/properties/services/additionalProperties/properties/check" };
    }
}
