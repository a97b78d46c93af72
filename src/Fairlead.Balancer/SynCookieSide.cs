using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>A service of a backend whose new connections are answered with SYN cookies above a rate.</summary>
public sealed record SynCookies
{
    /// <summary>Its TCP ports.</summary>
    public required ImmutableArray<VipPort> Vips { get; init; }

    /// <summary>So many a second the kernel takes itself; zero: none.</summary>
    public required int Rate { get; init; }

    /// <summary>Its packets come in no tunnel (mode l2).</summary>
    public bool IsUnwrapped { get; init; }

    public bool Equals(SynCookies? other) => other is not null && Rate == other.Rate
        && IsUnwrapped == other.IsUnwrapped && Vips.AsSpan().SequenceEqual(other.Vips.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Rate, IsUnwrapped, Vips.Length);
}

/// <summary>
/// What bpf/syncookie.h needs of user space: the tables, and of the kernel that it makes cookies and looks up ways.
/// </summary>
internal sealed class SynCookieSide(
    IReadOnlyList<SynCookies> services, IReadOnlyList<string> devices, Action<string> onFault)
{
    /// <summary>FL_HERE_ASKS_COOKIES.</summary>
    private const byte AsksCookies = 2;

    private const long Second = 1_000_000_000;
    private readonly HashSet<uint> ways = [];
    private bool complained;

    /// <summary>Before the program runs anywhere.</summary>
    public void Fill(Dictionary<string, BpfObject> objects)
    {
        if (services.Count == 0) return;
        Check(onFault);
        // struct fl_here: unwrapped_cookies, reserved.
        if (services.Any(service => service.IsUnwrapped)) objects["settings"].Set(Number(0), [1, 0, 0, 0, 0, 0, 0, 0]);
        Span<byte> place = stackalloc byte[24], rate = stackalloc byte[16];
        foreach ((int number, SynCookies service) in services.Index())
        {
            // struct fl_syn_rate: spent, interval.
            BinaryPrimitives.WriteInt64LittleEndian(rate[8..], service.Rate == 0 ? 0 : Second / service.Rate);
            objects["syn_rates"].Set(Number((uint)number), rate);
            foreach (VipPort vip in service.Vips)
            {
                // struct fl_syn_place: half, port in network order, reserved.
                place.Clear();
                byte[] key = BackendSide.Key(vip.Address);
                key.CopyTo(place);
                BinaryPrimitives.WriteUInt16BigEndian(place[16..], vip.Port);
                objects["syn_places"].Set(place, Number((uint)number));
                objects["local_vips"].Set(key, [BackendSide.IsVip | AsksCookies, 0, 0, 0]);
            }
        }
    }

    /// <summary>
    /// Once in some seconds: by which devices answers may leave, and that the look-up of their way is allowed, which
    /// whoever sets forwarding for the whole machine takes back.
    /// </summary>
    public void Tend(Dictionary<string, BpfObject> objects)
    {
        if (services.Count == 0) return;
        foreach (uint device in devices.Select(Libc.InterfaceIndex).Where(index => index != 0 && ways.Add(index)))
            objects["ways_out"].Set(Number(device), [1, 0, 0, 0]);
        foreach (string family in (string[])["ipv4", "ipv6"])
        {
            string file = Forwarding(family, "lo");
            // Without IPv6 nobody asks for its ways.
            if (!File.Exists(file)) continue;
            try
            {
                if (File.ReadAllText(file).Trim() == "0") File.WriteAllText(file, "1");
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                if (!complained)
                    onFault($"{file} cannot be set to 1, so no SYN is answered with a cookie: {fault.Message}");
                complained = true;
            }
        }
    }

    /// <summary>The loopback forwards what the machine does, as before.</summary>
    public void Remove()
    {
        if (services.Count == 0) return;
        foreach (string family in (string[])["ipv4", "ipv6"])
        {
            try
            {
                string all = Forwarding(family, "all");
                if (File.Exists(all)) File.WriteAllText(Forwarding(family, "lo"), File.ReadAllText(all));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                onFault($"{Forwarding(family, "lo")} stays 1: {fault.Message}");
            }
        }
    }

    /// <summary>With 0 the kernel makes no cookies, and with 1 only when it needs them itself.</summary>
    private static void Check(Action<string> onFault)
    {
        const string file = "/proc/sys/net/ipv4/tcp_syncookies", setting = "net.ipv4.tcp_syncookies";
        switch (File.Exists(file) ? File.ReadAllText(file).Trim() : "")
        {
            case "":
                onFault("this kernel has no SYN cookies (CONFIG_SYN_COOKIES), so no SYN is answered with one");
                break;
            case "0":
                onFault($"{setting} is 0, so the kernel makes no cookies and no SYN is answered with one: "
                    + $"sysctl -w {setting}=2");
                break;
            case "1":
                onFault($"{setting} is 1, so the kernel makes cookies only while a listener's queue of half-open "
                    + $"connections is full, and until then takes every SYN; at once with: sysctl -w {setting}=2");
                break;
        }
    }

    private static string Forwarding(string family, string device) =>
        $"/proc/sys/net/{family}/conf/{device}/forwarding";

    private static byte[] Number(uint value) => BitConverter.GetBytes(value);
}
