using System.Diagnostics;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer;

/// <summary>
/// Delivers VIPs with what every Linux has: a local VIP is an address on loopback, one with backends is a host route
/// with a next hop each, spread by the kernel's layer-4 hash. The client's address stays; a backend holds the VIP on
/// its loopback and answers directly. The routes carry a protocol number of their own, so that a restart finds them
/// again and a killed process leaves a machine that goes on forwarding.
/// </summary>
public sealed class KernelForwarding(Action<string> onFault)
{
    /// <summary>The routes' mark in the kernel; rt_protos(5) gives this number to nobody.</summary>
    public const int RouteProtocol = 157;

    private readonly Dictionary<Prefix, VipEntry> applied = [];
    private bool prepared;
    private bool searched;

    /// <summary>
    /// Goes over to this table; new ways stand before old ones go. Routes are said again each time, for the kernel
    /// drops them silently with their link; a route that stands is not changed by that.
    /// </summary>
    public void Apply(VipTable table)
    {
        var commands = new List<string>();
        var wanted = new HashSet<Prefix>();
        foreach (VipEntry entry in table.Entries)
        {
            wanted.Add(entry.Vip);
            if (applied.TryGetValue(entry.Vip, out VipEntry? before) && before == entry && entry.Local) continue;
            if (before is not null && before.Local != entry.Local) commands.Add(Remove(before));
            commands.Add(Add(entry));
            applied[entry.Vip] = entry;
        }

        foreach (VipEntry gone in applied.Values.Where(entry => !wanted.Contains(entry.Vip)).ToList())
        {
            commands.Add(Remove(gone));
            applied.Remove(gone.Vip);
        }

        if (!prepared && table.Entries.Any(entry => !entry.Local)) Prepare();
        if (!searched) commands.AddRange(Leftovers([.. table.Entries.Where(e => !e.Local).Select(e => e.Vip)]));
        if (commands.Count > 0) Ip(string.Join('\n', commands) + "\n", "-force", "-batch", "-");
    }

    /// <summary>Takes away everything that Apply has made.</summary>
    public void Clear() => Apply(VipTable.Empty);

    private static string Add(VipEntry entry)
    {
        if (entry.Local) return $"address replace {entry.Vip} dev lo";
        IPAddress[] hops = [.. entry.Backends.Where(backend => backend.AddressFamily == entry.Vip.Family)];
        // Without a backend a packet must not follow the default route back to the router it came from: a loop.
        if (hops.Length == 0) return $"route replace unreachable {entry.Vip} proto {RouteProtocol}";
        string ways = hops.Length == 1 ? $"via {hops[0]}" : string.Join(' ', hops.Select(hop => $"nexthop via {hop}"));
        return $"route replace {entry.Vip} proto {RouteProtocol} {ways}";
    }

    private static string Remove(VipEntry entry) => entry.Local
        ? $"address delete {entry.Vip} dev lo"
        : $"route delete {entry.Vip} proto {RouteProtocol}";

    /// <summary>Turns forwarding on, spread by layer 4.</summary>
    private void Prepare()
    {
        prepared = true;
        foreach (string name in new[]
        {
            "ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/fib_multipath_hash_policy",
            "ipv6/fib_multipath_hash_policy",
        })
        {
            try
            {
                File.WriteAllText($"/proc/sys/net/{name}", "1");
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                onFault($"/proc/sys/net/{name} cannot be set to 1: {fault.Message}");
            }
        }
    }

    /// <summary>Takes away the routes that an earlier process left of VIPs that are no more.</summary>
    private IEnumerable<string> Leftovers(HashSet<Prefix> wanted)
    {
        searched = true;
        string left = Ip(null, "-4", "route", "show", "proto", $"{RouteProtocol}")
            + Ip(null, "-6", "route", "show", "proto", $"{RouteProtocol}");
        foreach (string line in left.Split('\n'))
        {
            // A route of several ways goes on in lines of their own, which begin with a blank.
            if (line.Length == 0 || char.IsWhiteSpace(line[0])) continue;
            string? destination = line.Split(' ').FirstOrDefault(word => word.Contains('.') || word.Contains(':'));
            if (Prefix.TryParse(destination, out Prefix vip) && !wanted.Contains(vip))
                yield return $"route delete {vip} proto {RouteProtocol}";
        }
    }

    private string Ip(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process ip = Process.Start(start)!;
            ip.StandardInput.Write(input);
            ip.StandardInput.Close();
            Task<string> error = ip.StandardError.ReadToEndAsync();
            string output = ip.StandardOutput.ReadToEnd();
            ip.WaitForExit();
            if (ip.ExitCode != 0) onFault($"ip: {error.GetAwaiter().GetResult().ReplaceLineEndings(" ").Trim()}");
            return output;
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            onFault($"ip (Debian package iproute2) does not start: {fault.Message}");
            return "";
        }
    }
}
