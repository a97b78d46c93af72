using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>What the options become in the section dns: listeners, limits, cookies, dnstap.</summary>
internal sealed class BindOptions(BindBlock options, string home, BindAcls acls, ImportedFleet fleet)
{
    private readonly Dictionary<string, BindStatement> tls = new(StringComparer.Ordinal);
    private readonly Dictionary<string, BindStatement> https = new(StringComparer.Ordinal);
    private readonly List<string> plain = [];
    private readonly Dictionary<string, (List<string> Points, string Tls)> secure = [];

    // named starts anywhere: without the option, paths are taken as relative to the file itself.
    private readonly string directory = Path.Combine(home, options.Find("directory")?.Value ?? "");

    /// <summary>What of the options it takes; the others are for zones, or for nobody.</summary>
    public static bool IsTaken(BindStatement one) => one.Key is "directory" or "port" or "listen-on" or "listen-on-v6"
        or "rate-limit" or "tcp-clients" or "tcp-idle-timeout" or "cookie-secret" or "dnstap" or "dnstap-output";

    public void AddTls(BindStatement statement) => tls[statement.Value ?? ""] = statement;

    public void AddHttp(BindStatement statement) => https[statement.Value ?? ""] = statement;

    public void Take(string file)
    {
        int port = options.Find("port") is { } said ? Number(said, said.Parts.ElementAtOrDefault(1), 1, 65535) : 53;
        bool isSaid = Listen("listen-on", AddressFamily.InterNetwork, port);
        if (!isSaid && port != 53) plain.Add($"0.0.0.0:{port}");
        bool isSaid6 = Listen("listen-on-v6", AddressFamily.InterNetworkV6, port);
        // named listens on all addresses of a family of which nothing is said.
        if (isSaid && !isSaid6) plain.Add($"[::]:{port}");
        else if (!isSaid && isSaid6) plain.Insert(0, $"0.0.0.0:{port}");
        else if (!isSaid && port != 53) plain.Add($"[::]:{port}");
        if (plain.Count > 0)
            fleet.Dns.Add($"listen: [{string.Join(", ", plain.Distinct().Select(ImportedFleet.Quote))}]");
        else if (isSaid || isSaid6)
            fleet.Leave(new TextPlace(file, 1, 1), "nothing listens for plain DNS: a node does so on port 53 of all "
                + "addresses unless dns.listen says otherwise");
        Secure();
        RateLimit();
        Tcp();
        foreach (BindStatement cookie in options.Statements.Where(one => one.Key == "cookie-secret"))
        {
            if (cookie.Value is not { Length: 32 } secret || !secret.All(char.IsAsciiHexDigit))
                fleet.Leave(cookie.At, "cookie-secret: 32 hex digits are expected; a new one must go to all nodes");
        }

        string[] secrets =
        [
            .. options.Statements.Where(one => one is { Key: "cookie-secret", Value.Length: 32 })
                .Select(one => one.Value!).Where(secret => secret.All(char.IsAsciiHexDigit)),
        ];
        if (secrets.Length > 0)
            fleet.Dns.Add($"cookieSecrets: [{string.Join(", ", secrets.Select(ImportedFleet.Quote))}]");
        Tap();
    }

    public static int Number(BindStatement statement, BindPart? part, int least, int most) =>
        int.TryParse(part?.Word, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= least && number <= most
            ? number
            : throw new ImportException(part?.At ?? statement.At,
                string.Create(CultureInfo.InvariantCulture,
                    $"{statement.Key}: expected a number from {least} to {most}"));

    private bool Listen(string key, AddressFamily family, int port)
    {
        bool any = false;
        foreach (BindStatement listener in options.Statements.Where(one => one.Key == key))
        {
            any = true;
            if (listener.Block is null) throw new ImportException(listener.At, $"expected a list: {key} {{ ... }};");
            string? name = listener.After("tls")?.Word, http = listener.After("http")?.Word;
            int normal = http is not null ? 443 : name is null or "none" ? port : 853;
            int on = listener.After("port") is { } said ? Number(listener, said, 1, 65535) : normal;
            if (listener.After("proxy") is { } proxy)
                fleet.Leave(proxy.At, $"{listener}: PROXY has no counterpart; the clients' own addresses are needed");
            string[] points = [.. Points(listener, family).Select(address => $"{new IPEndPoint(address, on)}")];
            if (name is null or "none" && http is null) plain.AddRange(points);
            else if (name is null or "none" or "ephemeral" || !tls.ContainsKey(name))
                fleet.Leave(listener.At, $"{listener}: it needs a certificate of its own (dns.tls, dns.https)");
            else AddSecure(http is null ? "tls" : "https", name, http, points, listener);
        }

        return any;
    }

    private void AddSecure(string kind, string name, string? http, string[] points, BindStatement listener)
    {
        if (http is not null && http != "default" && https.TryGetValue(http, out BindStatement? statement))
        {
            foreach (BindStatement one in statement.Block?.Statements ?? [])
            {
                bool isUsual = one is { Key: "endpoints", Block: { } paths } && BindAcls.IsOnly(paths, "/dns-query");
                if (!isUsual)
                    fleet.Leave(one.At, $"http {http}: {one}: the path is /dns-query, limits are those of dns.tcp");
            }
        }

        if (!secure.TryGetValue(kind, out (List<string> Points, string Tls) known))
            secure[kind] = known = ([], name);
        if (known.Tls == name) known.Points.AddRange(points);
        else fleet.Leave(listener.At,
            $"{listener}: all of dns.{kind} has one certificate, that of {known.Tls} is taken");
    }

    private void Secure()
    {
        foreach ((string kind, (List<string> points, string name)) in secure)
        {
            BindStatement statement = tls[name];
            string? certificate = statement.Block?.Find("cert-file")?.Value;
            string? key = statement.Block?.Find("key-file")?.Value;
            foreach (BindStatement one in (statement.Block?.Statements ?? []).Where(
                one => one.Key is not ("cert-file" or "key-file")))
                fleet.Leave(one.At,
                    $"tls {name}: {one} has no counterpart: TLS 1.2 and 1.3 are spoken as the system has them");
            if (certificate is null || key is null)
            {
                fleet.Leave(statement.At, $"tls {name}: it needs cert-file and key-file; dns.{kind} is left out");
                continue;
            }

            fleet.Dns.Add($"{kind}: {{listen: [{string.Join(", ", points.Select(ImportedFleet.Quote))}], "
                + $"certificate: {ImportedFleet.Quote(PathOf(certificate))}, "
                + $"key: {ImportedFleet.Quote(PathOf(key))}}}");
        }
    }

    public string PathOf(string path) => Path.GetFullPath(Path.Combine(directory, path));

    private List<IPAddress> Points(BindStatement listener, AddressFamily family)
    {
        var found = new List<IPAddress>();
        foreach (BindMatch match in acls.Matches(listener.Block!) ?? [])
        {
            Prefix[] own = [.. match.From.Where(
                prefix => prefix.IsIPv4 == (family == AddressFamily.InterNetwork))];
            foreach (Prefix prefix in own)
            {
                bool any = prefix.Length == 0;
                IPAddress address = any && prefix.IsIPv4 ? IPAddress.Any : any ? IPAddress.IPv6Any : prefix.Address;
                if (any || prefix.LengthMapped == 128)
                {
                    found.Add(address);
                    if (!any && !fleet.Addresses.Any(one => one.Contains(':') == !prefix.IsIPv4))
                        fleet.Addresses.Add($"{address}");
                }
                else
                {
                    fleet.Leave(listener.At, $"{listener.Key} {prefix}: give the addresses themselves in dns.listen");
                }
            }
        }

        return found;
    }

    private void RateLimit()
    {
        if (options.Find("rate-limit") is not { } limit) return;
        if (limit.Block is not { } block)
            throw new ImportException(limit.At, "expected a block: rate-limit { ... };");
        int Rate(string key, int normal) =>
            block.Find(key) is { } one ? Number(one, one.Parts.ElementAtOrDefault(1), 0, 1000) : normal;
        int answers = Rate("responses-per-second", 0);
        (int gone, int errors) = (Rate("nxdomains-per-second", answers), Rate("errors-per-second", answers));
        var keys = new List<string>();
        foreach (BindStatement one in block.Statements)
        {
            switch (one.Key)
            {
                case "responses-per-second" or "nxdomains-per-second" or "errors-per-second":
                    break;
                case "slip":
                    keys.Add($"slip: {Number(one, one.Parts.ElementAtOrDefault(1), 0, 10)}");
                    break;
                case "ipv4-prefix-length":
                    keys.Add($"ipv4Length: {Number(one, one.Parts.ElementAtOrDefault(1), 1, 32)}");
                    break;
                case "ipv6-prefix-length":
                    keys.Add($"ipv6Length: {Number(one, one.Parts.ElementAtOrDefault(1), 1, 64)}");
                    break;
                case "exempt-clients" when one.Block is { } list:
                    IEnumerable<string> exempt = (acls.Matches(list) ?? []).Where(match => match.Key is null)
                        .SelectMany(match => match.From).Select(prefix => ImportedFleet.Quote($"{prefix}"));
                    keys.Add($"exempt: [{string.Join(", ", exempt)}]");
                    break;
                case "log-only" when one.Value is "yes" or "true" or "1":
                    (answers, gone, errors) = (0, 0, 0);
                    fleet.Leave(one.At, "log-only: nothing is limited now, and nothing is logged of what would be");
                    break;
                case "log-only":
                    break;
                default:
                    fleet.Leave(one.At,
                        $"rate-limit: {one} has no counterpart: there are answers, nxdomains and errors, a second");
                    break;
            }
        }

        keys.InsertRange(0, [$"answers: {answers}", $"nxdomains: {gone}", $"errors: {errors}"]);
        fleet.Dns.Add($"rateLimit: {{{string.Join(", ", keys)}}}");
    }

    private void Tcp()
    {
        var keys = new List<string>();
        if (options.Find("tcp-clients") is { } clients)
            keys.Add($"connections: {Number(clients, clients.Parts.ElementAtOrDefault(1), 1, 60_000)}");
        // In tenths of a second.
        if (options.Find("tcp-idle-timeout") is { } idle)
            keys.Add($"idle: {Number(idle, idle.Parts.ElementAtOrDefault(1), 1, 1200)}00ms");
        if (keys.Count > 0) fleet.Dns.Add($"tcp: {{{string.Join(", ", keys)}}}");
    }

    private void Tap()
    {
        if (options.Find("dnstap-output") is not { } output) return;
        bool isAll = options.Find("dnstap") is not { Block: { } kinds } || BindAcls.IsOnly(kinds, "all")
            || BindAcls.IsOnly(kinds, "auth");
        if (!isAll) fleet.Leave(options.Find("dnstap")!.At, "dnstap: queries and answers are told of, nothing else");
        if (output is { Parts: [_, { Word: "unix" }, { Word: { } socket }] })
            fleet.Dns.Add($"tap: {ImportedFleet.Quote(PathOf(socket))}");
        else fleet.Leave(output.At, $"{output}: dnstap goes to a Unix socket (dns.tap)");
    }
}
