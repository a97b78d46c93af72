using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>What a backend needs to know.</summary>
public sealed record BackendSideOptions
{
    /// <summary>Where balancers' packets come in.</summary>
    public required IReadOnlyList<string> Devices { get; init; }

    public required IReadOnlyList<IPAddress> Vips { get; init; }

    /// <summary>Whose tunnels are opened; nobody else's.</summary>
    public required IReadOnlyList<IPAddress> Balancers { get; init; }

    /// <summary>The other backends, to whom a packet of an unknown flow is passed on. Empty: to nobody.</summary>
    public IReadOnlyList<IPAddress> Peers { get; init; } = [];

    /// <summary>Services whose new connections are answered with SYN cookies above a rate.</summary>
    public IReadOnlyList<SynCookies> Cookies { get; init; } = [];

    public string Pins { get; init; } = "/sys/fs/bpf/fairlead-backend";
}

/// <summary>enum fl_backend_reason: what became of a packet at the backend.</summary>
public enum BackendReason
{
    Decapsulated,
    NotTunnel,
    NotBalancer,
    NotVip,
    Malformed,
    Congestion,
    PassedOn,
    NoWay,
    Cookie,
    NoCookie,
}

/// <summary>
/// A backend's side: the VIPs are addresses of its loopback, so that it answers clients directly, and an XDP program
/// opens the balancers' tunnels, since tunnel devices may be missing. It goes on without this process.
/// </summary>
public sealed class BackendSide : IDisposable
{
    /// <summary>FL_HERE_IS_VIP.</summary>
    internal const byte IsVip = 1;

    private readonly BackendSideOptions options;
    private readonly Dictionary<string, BpfObject> objects;
    private readonly NextHops hops;
    private readonly PinFolder pins;
    private readonly SynCookieSide cookies;

    private BackendSide(BackendSideOptions options, Action<string> onFault)
    {
        this.options = options;
        hops = new NextHops();
        pins = new PinFolder(options.Pins);
        foreach (IPAddress vip in options.Vips) Hold(vip, onFault);
        // The balancer answers ARP for its VIPs (arp_ignore); they are never the source of a question (arp_announce).
        Set("arp_ignore", "1", onFault);
        Set("arp_announce", "2", onFault);
        objects = XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>());
        foreach (IPAddress balancer in options.Balancers) objects["balancers"].Set(Key(balancer), [1, 0, 0, 0]);
        foreach (IPAddress vip in options.Vips) objects["local_vips"].Set(Key(vip), [IsVip, 0, 0, 0]);
        cookies = new SynCookieSide(options.Cookies, options.Devices, onFault);
        cookies.Fill(objects);
        Tend();
        string load = pins.PinLoad(XdpProgram.Identity("backend"), objects);
        new XdpDevices(pins, onFault).Attach(options.Devices, objects["program backend"]);
        foreach (string other in pins.Loads.Where(name => name != load).ToList()) pins.RemoveLoad(other);
    }

    /// <summary>
    /// Sets it all up, in place of what an earlier process has left. IOException says what cannot be.
    /// </summary>
    public static BackendSide Start(BackendSideOptions options, Action<string> onFault) => new(options, onFault);

    /// <summary>Once in some seconds: where the other backends are now.</summary>
    public void Tend()
    {
        _ = hops.Look(options.Peers);
        Span<byte> peer = stackalloc byte[16];
        foreach (IPAddress address in options.Peers)
        {
            if (hops.Of(address) is not { } hop) continue;
            // struct fl_peer: mac_to, mac_from, device.
            hop.To.GetAddressBytes().CopyTo(peer);
            hop.From.GetAddressBytes().CopyTo(peer[6..]);
            MemoryMarshal.Write(peer[12..], hop.Device);
            objects["peers"].Set(Key(address), peer);
        }

        cookies.Tend(objects);
    }

    /// <summary>How often each reason was counted, over all CPUs.</summary>
    public IReadOnlyDictionary<BackendReason, ulong> Counts()
    {
        ulong[] counts = new ulong[BpfPerCpu.Cpus];
        var all = new Dictionary<BackendReason, ulong>();
        foreach (BackendReason reason in Enum.GetValues<BackendReason>())
        {
            BpfPerCpu.Read<ulong>(objects["here_counts"], (uint)reason, counts);
            ulong sum = 0;
            foreach (ulong count in counts) sum += count;
            all[reason] = sum;
        }

        return all;
    }

    /// <summary>Takes everything away that Start has made.</summary>
    public void Remove()
    {
        Dispose();
        pins.RemoveAll();
        cookies.Remove();
        Release(options.Vips, _ => { });
    }

    /// <summary>These are VIPs of this machine no longer.</summary>
    public static void Release(IEnumerable<IPAddress> vips, Action<string> onFault)
    {
        foreach (IPAddress vip in vips) Ip(onFault, "address", "delete", Host(vip), "dev", "lo");
    }

    public void Dispose()
    {
        hops.Dispose();
        foreach (BpfObject one in objects.Values) one.Dispose();
    }

    private static void Hold(IPAddress vip, Action<string> onFault) =>
        Ip(onFault, ["address", "replace", Host(vip), "dev", "lo",
            .. vip.AddressFamily == AddressFamily.InterNetworkV6 ? (string[])["nodad"] : []]);

    private static string Host(IPAddress vip) =>
        vip.AddressFamily == AddressFamily.InterNetwork ? $"{vip}/32" : $"{vip}/128";

    internal static byte[] Key(IPAddress address)
    {
        (ulong first, ulong second) = FlowHash.Halves(address);
        return [.. BitConverter.GetBytes(first), .. BitConverter.GetBytes(second)];
    }

    private static void Set(string name, string value, Action<string> onFault)
    {
        try
        {
            File.WriteAllText($"/proc/sys/net/ipv4/conf/all/{name}", value);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            onFault($"/proc/sys/net/ipv4/conf/all/{name} cannot be set to {value}: {fault.Message}");
        }
    }

    private static void Ip(Action<string> onFault, params string[] arguments)
    {
        try
        {
            using Process ip = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
            string error = ip.StandardError.ReadToEnd();
            ip.WaitForExit();
            if (ip.ExitCode != 0) onFault($"ip {string.Join(' ', arguments)}: {error.Trim()}");
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            onFault($"ip (Debian package iproute2) does not start: {fault.Message}");
        }
    }
}
