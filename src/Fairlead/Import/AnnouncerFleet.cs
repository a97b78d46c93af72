using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>A neighbour that becomes a router.</summary>
internal sealed record ImportedRouter(string Name, Asn Asn, IPAddress Address, int HoldSeconds)
{
    public string? Password { get; init; }

    public bool TtlSecurity { get; init; }

    public (int Milliseconds, int Multiplier)? Bfd { get; init; }
}

/// <summary>A service: its addresses, and lines of YAML.</summary>
internal sealed record ImportedService(TextPlace At, string Name, IReadOnlyList<IPAddress> Vips, string Check)
{
    public string? Announce { get; init; }
}

/// <summary>
/// The fleet of one machine that checks services and announces their addresses, as it is written: one file. What had no
/// counterpart is named beside it.
/// </summary>
internal sealed class AnnouncerFleet
{
    private readonly Leftovers notTaken = new();

    public IReadOnlyList<Fleet.Spec.SpecProblem> NotTaken => notTaken.All;

    /// <summary>The AS that the machine speaks as.</summary>
    public Asn? LocalAs { get; private set; }

    /// <summary>The machine's own addresses, at most one a family.</summary>
    public List<IPAddress> Addresses { get; } = [];

    public List<ImportedRouter> Routers { get; } = [];

    public List<ImportedService> Services { get; } = [];

    /// <summary>Prefixes that are announced while a service inside them is.</summary>
    public List<Prefix> Cover { get; } = [];

    public void Leave(TextPlace at, string message) => notTaken.Add(at, message);

    /// <summary>A name that no router or service has yet.</summary>
    public string FreeName(string wanted)
    {
        string name = ImportedFleet.NameOf(wanted), free = name;
        bool IsTaken(string one) => Routers.Any(r => r.Name == one) || Services.Any(s => s.Name == one);
        for (int i = 2; IsTaken(free); i++) free = string.Create(CultureInfo.InvariantCulture, $"{name}-{i}");
        return free;
    }

    /// <summary>Takes the machine's own side of a session. False: it does not fit what others said of it.</summary>
    public bool TakeOwn(TextPlace at, Asn asn, IPAddress? address)
    {
        if (LocalAs is { } known && known != asn)
        {
            Leave(at, $"left out: a node speaks as one AS, and it is AS{known} already");
            return false;
        }

        LocalAs = asn;
        if (address is null) return true;
        if (Addresses.Find(one => one.AddressFamily == address.AddressFamily) is not { } own) Addresses.Add(address);
        else if (!own.Equals(address))
        {
            Leave(at, $"left out: a node has one address a family, and it is {own} already");
            return false;
        }

        return true;
    }

    /// <summary>A service's address. False: another service has it.</summary>
    public bool IsFree(IPAddress vip) => !Services.Any(service => service.Vips.Contains(vip));

    public string Text(string origin)
    {
        foreach (ImportedService service in Services) NameUnreached(service);
        var text = new StringBuilder($"# From {origin}. Check it with: fairlead check FILE\n");
        text.Append("fleet: imported\n");
        if (Routers.Count > 0) text.Append(CultureInfo.InvariantCulture, $"asn: {LocalAs}\n");
        IPAddress[] vips = [.. Services.SelectMany(service => service.Vips)];
        Prefix[] subnets = [.. Cover.Concat(vips.Where(vip => !Cover.Any(c => c.Contains(vip))).Select(Prefix.Host))];
        if (subnets.Length > 0)
        {
            text.Append("# Nothing beside these is ever announced.\n");
            text.Append(
                CultureInfo.InvariantCulture, $"anycast: {{subnets: [{List(subnets)}], cover: [{List(Cover)}]}}\n");
        }

        text.Append("pops:\n  home:\n");
        if (Addresses.Count == 0) text.Append("    # 127.0.0.1 stands for this machine's own address.\n");
        text.Append(CultureInfo.InvariantCulture,
            $"    nodes: {{node1: {{addresses: [{(Addresses.Count == 0 ? "127.0.0.1" : List(Addresses))}]}}}}\n");
        if (Routers.Count > 0) text.Append("    routers:\n");
        foreach (ImportedRouter router in Routers)
            text.Append(CultureInfo.InvariantCulture, $"      {router.Name}: {{{Text(router)}}}\n");
        if (Services.Count > 0) text.Append("services:\n");
        foreach (ImportedService service in Services)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {service.Name}:\n    vips: [{List(service.Vips)}]\n");
            text.Append(CultureInfo.InvariantCulture, $"    ports: []\n    check: {{{service.Check}}}\n");
            if (service.Announce is { } announce)
                text.Append(CultureInfo.InvariantCulture, $"    announce: {{{announce}}}\n");
            text.Append("    onNodes: true\n");
        }

        return text.ToString();
    }

    /// <summary>A time in seconds as fleet files write it.</summary>
    public static string Time(double seconds) => seconds == Math.Floor(seconds)
        ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0}s")
        : string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(seconds * 1000):0}ms");

    public static string Command(IEnumerable<string> words) =>
        $"command: [{string.Join(", ", words.Select(ImportedFleet.Quote))}]";

    /// <summary>Communities as "64500:1 64500:2"; those of another kind are null.</summary>
    public static string? Communities(IEnumerable<string> words)
    {
        string[] all = [.. words];
        bool fit = all.All(word => word.Split(':') is [var high, var low]
            && ushort.TryParse(high, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && ushort.TryParse(low, NumberStyles.None, CultureInfo.InvariantCulture, out _));
        return fit ? $"communities: [{string.Join(", ", all.Select(ImportedFleet.Quote))}]" : null;
    }

    // A session carries the routes of its own family, and a pool is healthy in the families of the node's addresses.
    private void NameUnreached(ImportedService service)
    {
        foreach (IPAddress vip in service.Vips)
        {
            string family = vip.AddressFamily == AddressFamily.InterNetwork ? "IPv4" : "IPv6";
            if (Routers.Count > 0 && (!Addresses.Any(own => own.AddressFamily == vip.AddressFamily)
                || !Routers.Any(router => router.Address.AddressFamily == vip.AddressFamily)))
                Leave(service.At, $"{vip} is announced to nobody yet: give node and router {family} addresses too");
        }
    }

    private static string Text(ImportedRouter router)
    {
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture,
            $"asn: {router.Asn}, addresses: [{List([router.Address])}], holdTime: {router.HoldSeconds}s"));
        if (router.Bfd is var (interval, multiplier))
            text.Append(CultureInfo.InvariantCulture, $", bfd: {{interval: {interval}ms, multiplier: {multiplier}}}");
        if (router.Password is { } password) text.Append(", password: ").Append(ImportedFleet.Quote(password));
        if (router.TtlSecurity) text.Append(", ttlSecurity: true");
        return text.ToString();
    }

    private static string List<T>(IEnumerable<T> all) =>
        string.Join(", ", all.Select(one => ImportedFleet.Quote(one!.ToString()!)));
}
