using System.Net.Sockets;
using Fairlead.Health;

namespace Fairlead.Fleet.Spec;

/// <summary>What must hold in a check, and between it and its service.</summary>
internal static class CheckRules
{
    private static readonly HashSet<string> Own = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Keep-Alive", "Expect", "Allow",
        "Expires", "Last-Modified",
    };

    public static IEnumerable<(string Path, string Message)> Broken(ServiceSpec service, CheckSpec check, string at) =>
        Target(service, check, at).Concat(Pace(check, at)).Concat(check.Kind switch
        {
            CheckKind.Http or CheckKind.Https or CheckKind.Tls or CheckKind.Grpc => Web(check, at),
            CheckKind.Dns => Dns(check, at),
            CheckKind.Udp when string.IsNullOrEmpty(check.Send) =>
                [(at, "a check of kind udp needs \"send\": nothing is answered that was not asked")],
            CheckKind.Command => Command(check, at),
            CheckKind.Composite => Composite(service, check, at),
            _ => [],
        });

    private static IEnumerable<(string Path, string Message)> Target(ServiceSpec service, CheckSpec check, string at)
    {
        bool hasPort = check.Kind is not (CheckKind.Icmp or CheckKind.Command or CheckKind.Push or CheckKind.Composite
            or CheckKind.None);
        if (hasPort && service.PortOf(check) is null)
        {
            string protocol = check.Kind is CheckKind.Dns or CheckKind.Udp ? "udp" : "tcp";
            yield return (at, $"the check needs a {protocol} port: the service has none, so give \"port\"");
        }

        if (check.Source.GroupBy(source => source.AddressFamily).Any(family => family.Count() > 1))
            yield return ($"{at}.source", "expected at most one address a family");
    }

    private static IEnumerable<(string Path, string Message)> Pace(CheckSpec check, string at)
    {
        var least = TimeSpan.FromMilliseconds(100);
        if (check.EffectiveTimeout > check.Interval)
            yield return ($"{at}.timeout", "the timeout must not be longer than the interval");
        if (check.EffectiveTimeout <= TimeSpan.Zero) yield return ($"{at}.timeout", "expected more than nothing");
        if (check.Interval < least) yield return ($"{at}.interval", "expected at least 100ms");
        if (check.Recheck < least) yield return ($"{at}.recheck", "expected at least 100ms");
        if (check.Recheck > check.Interval)
            yield return ($"{at}.recheck", "expected a time that is not longer than the interval");
        if (check.HoldDown > check.HoldDownMax)
            yield return ($"{at}.holdDown", "expected a time that is not longer than holdDownMax");
        if (check.TimeToLive < least) yield return ($"{at}.ttl", "expected at least 100ms");
    }

    private static IEnumerable<(string Path, string Message)> Web(CheckSpec check, string at)
    {
        if (!check.Path.StartsWith('/') || check.Path.Any(c => c <= ' ' || c == '\x7f'))
            yield return ($"{at}.path", $"expected a path such as /health, found \"{check.Path}\"");
        if (check.Host is { } host && Uri.CheckHostName(host) == UriHostNameType.Unknown)
            yield return ($"{at}.host", $"expected a host's name, found \"{host}\"");
        if (check.ServerName is { } name && Uri.CheckHostName(name) == UriHostNameType.Unknown)
            yield return ($"{at}.serverName", $"expected a host's name, found \"{name}\"");
        if (check.Key is not null && check.Certificate is null)
            yield return ($"{at}.key", "a key needs \"certificate\"");
        foreach (HeaderLine header in check.Headers)
        {
            // What HttpClient writes by itself, or takes for a header of a body, of which a GET has none.
            if (Own.Contains(header.Name) || header.Name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
                yield return ($"{at}.headers.{header.Name}", $"{header.Name} is the request's own (see \"host\")");
        }
    }

    private static IEnumerable<(string Path, string Message)> Dns(CheckSpec check, string at)
    {
        string name = check.Name.TrimEnd('.');
        if (name.Length > 253 || (name.Length > 0 && name.Split('.').Any(label => label.Length is 0 or > 63))
            || !name.All(char.IsAscii))
            yield return ($"{at}.name", $"expected a domain name, found \"{check.Name}\"");
        CheckRecordType? ofAnswer = check.Answer?.AddressFamily switch
        {
            AddressFamily.InterNetwork => CheckRecordType.A,
            AddressFamily.InterNetworkV6 => CheckRecordType.AAAA,
            _ => null,
        };
        if (ofAnswer is { } type && type != check.Type)
            yield return ($"{at}.answer", $"{check.Answer} needs \"type: {type}\"");
    }

    private static IEnumerable<(string Path, string Message)> Command(CheckSpec check, string at)
    {
        if (check.Command.Count == 0) yield return (at, "a check of kind command needs \"command\"");
        else if (!check.Command[0].StartsWith('/'))
            yield return ($"{at}.command[0]",
                $"expected the program's whole path, found \"{check.Command[0]}\": no shell looks for it");
    }

    private static IEnumerable<(string Path, string Message)> Composite(
        ServiceSpec service, CheckSpec check, string at)
    {
        if (check.Parts.Count == 0) yield return (at, "a check of kind composite needs \"parts\"");
        if (check.Need > check.Parts.Count)
            yield return ($"{at}.need", $"expected at most {check.Parts.Count}: there are no more parts");
        foreach (CheckPart part in check.Parts)
        {
            foreach ((string Path, string Message) fault in Broken(service, part.Spec, $"{at}.parts.{part.Name}"))
                yield return fault;
        }
    }
}
