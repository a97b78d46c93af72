using System.Net;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The lines of a router's own configuration that a finding leads to, taken from what `router-config` writes for it: an
/// operator can look for that very line in his router. Nothing where the router does not say which language it reads.
/// </summary>
internal sealed class RouterLines
{
    private static readonly (string Sign, string Language)[] Signs =
    [
        ("FRR", "frr"), ("BIRD", "bird"), ("OpenBGPD", "openbgpd"), ("JUNOS", "junos"), ("Juniper", "junos"),
        ("Arista", "eos"), ("IOS XR", "iosxr"), ("IOS-XR", "iosxr"),
    ];

    private readonly string[] lines;

    private RouterLines(string[] lines) => this.lines = lines;

    /// <summary>RFC 4724 §3: a router that offers nothing keeps nothing.</summary>
    public string? Restart => First(line => line.Contains("graceful", StringComparison.OrdinalIgnoreCase)
        && line.Contains("restart", StringComparison.OrdinalIgnoreCase) && !IsComment(line));

    public static RouterLines Of(FleetSpec fleet, string pop, string router, string? description)
    {
        string? language = Signs.FirstOrDefault(
            one => description?.Contains(one.Sign, StringComparison.OrdinalIgnoreCase) == true).Language;
        if (language is null) return new RouterLines([]);
        string text = RouterConfig.Languages.First(one => one.Name == language).Write(fleet, pop, router);
        return new RouterLines(text.Split('\n'));
    }

    /// <summary>Where the policy of a session is used; policies stand before the sessions in every language.</summary>
    public string? OfSession(string kind, string name, IPAddress theirs, RouterFamily family, bool isOut = false)
    {
        string way = isOut ? "out" : "in";
        string f = family.Digit;
        string bird = (kind, isOut) switch
        {
            ("node", _) => $"import where from_node{f}(",
            ("pop", _) => $"import where from_backbone{f}(",
            (_, false) => $"import where from_upstream{f}(",
            _ => $"export where to_upstream{f}(",
        };
        bool Names(string line) => line.Contains($"fl-{kind}-{name}-v{f}-{way}", StringComparison.Ordinal)
            || line.Contains($"fl-{kind}-v{f}-{way}", StringComparison.Ordinal)
            || line.Contains(bird, StringComparison.Ordinal);
        // Some languages name the neighbour beside its policy, others above it.
        return Last(line => Names(line) && line.Contains($" {theirs} ", StringComparison.Ordinal)) ?? Last(Names);
    }

    /// <summary>What names the addresses that nodes may tell.</summary>
    public string? OfAllowed(RouterFamily family) => First(line =>
        line.Contains($"fl-hosts{family.Digit}", StringComparison.Ordinal)
        || line.Contains($"define ANYCAST{family.Digit}", StringComparison.Ordinal));

    private string? First(Func<string, bool> fits) => lines.FirstOrDefault(fits)?.Trim();

    private string? Last(Func<string, bool> fits) => lines.LastOrDefault(fits)?.Trim();

    private static bool IsComment(string line) => line.TrimStart() is ['#' or '!', ..];
}
