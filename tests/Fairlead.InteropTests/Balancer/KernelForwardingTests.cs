using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Balancer;
using Fairlead.Lab.Backends;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;
using static Fairlead.InteropTests.Bgp.BirdRouter;

namespace Fairlead.InteropTests.Balancer;

/// <summary>What stands in the kernel after each table, and that packets go where it says.</summary>
public sealed class KernelForwardingTests : IDisposable
{
    private const string Vip4 = "192.0.2.1/32";
    private const string Vip6 = "2001:db8:f00::1/128";
    private static int count;
    private readonly Bed bed = new($"fltk{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
    private readonly ConcurrentQueue<string> faults = new();

    public KernelForwardingTests()
    {
        if (!Environment.IsPrivilegedProcess) return;
        bed.AddHost("node");
        bed.AddHost("lan");
        bed.AddLink("node", "eth0", "lan", "eth0");
        bed.AddAddress("node", "eth0", "10.0.0.1/24");
        bed.AddAddress("node", "eth0", "2001:db8:1::1/64");
    }

    [InteropFact("ip")]
    public void A_local_vip_is_an_address_on_lo_while_it_stands_in_the_table()
    {
        KernelForwarding forwarding = New();
        Apply(forwarding, Local(Vip4), Local(Vip6));
        Assert.Contains(Vip4, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.Contains(Vip6, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);

        Apply(forwarding, Local(Vip6));
        Assert.DoesNotContain(Vip4, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.Contains(Vip6, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);

        Clear(forwarding);
        AssertNothingLeft();
    }

    [InteropFact("ip")]
    public void A_vip_has_a_next_hop_a_backend_and_is_unreachable_without_any()
    {
        KernelForwarding forwarding = New();
        Apply(forwarding, To(Vip4, "10.0.0.5", "10.0.0.6"), To(Vip6, "2001:db8:1::5", "2001:db8:1::6"));
        Assert.Equal(["10.0.0.5", "10.0.0.6"], Hops("-4"));
        Assert.Equal(["2001:db8:1::5", "2001:db8:1::6"], Hops("-6"));
        foreach (string file in (string[])["ipv4/fib_multipath_hash_policy", "ipv6/fib_multipath_hash_policy",
            "ipv4/ip_forward", "ipv6/conf/all/forwarding"])
            Assert.Equal("1\n", bed.Run("node", "cat", $"/proc/sys/net/{file}"));

        Apply(forwarding, To(Vip4, "10.0.0.6"), To(Vip6, "2001:db8:1::6"));
        Assert.Equal(["10.0.0.6"], Hops("-4"));
        Assert.Equal(["2001:db8:1::6"], Hops("-6"));

        Apply(forwarding, To(Vip4), To(Vip6));
        Assert.StartsWith("unreachable 192.0.2.1 ", Routes("-4"), StringComparison.Ordinal);
        Assert.StartsWith("unreachable 2001:db8:f00::1 ", Routes("-6"), StringComparison.Ordinal);
        Assert.Single(Routes("-6").Split('\n', StringSplitOptions.RemoveEmptyEntries));

        Apply(forwarding, To(Vip4, "10.0.0.5", "10.0.0.6", "10.0.0.7"), To(Vip6, "2001:db8:1::5", "2001:db8:1::7"));
        Assert.Equal(["10.0.0.5", "10.0.0.6", "10.0.0.7"], Hops("-4"));
        Assert.Equal(["2001:db8:1::5", "2001:db8:1::7"], Hops("-6"));

        Clear(forwarding);
        AssertNothingLeft();
    }

    [InteropFact("ip")]
    public void A_vip_changes_between_the_machine_itself_and_backends()
    {
        KernelForwarding forwarding = New();
        Apply(forwarding, Local(Vip4));
        Apply(forwarding, To(Vip4, "10.0.0.5"));
        Assert.DoesNotContain(Vip4, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.Equal(["10.0.0.5"], Hops("-4"));
        Apply(forwarding, Local(Vip4));
        Assert.Empty(Routes("-4"));
        Assert.Contains(Vip4, bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Clear(forwarding);
        AssertNothingLeft();
    }

    [InteropFact("ip")]
    public void What_a_killed_process_left_is_taken_over_or_away_by_the_next()
    {
        Apply(New(), To(Vip4, "10.0.0.5"), To("192.0.2.9/32", "10.0.0.5"), To(Vip6, "2001:db8:1::5"),
            To("2001:db8:f00::9/128", "2001:db8:1::5", "2001:db8:1::6"));
        // Routes that are not ours stay whatever happens.
        bed.Ip("node", "route", "add", "198.51.100.0/24", "via", "10.0.0.9", "proto", "static");

        KernelForwarding next = New();
        Apply(next, To(Vip4, "10.0.0.6"), To(Vip6, "2001:db8:1::5"));

        Assert.Equal(["10.0.0.6"], Hops("-4"));
        Assert.Equal(["2001:db8:1::5"], Hops("-6"));
        Clear(next);
        AssertNothingLeft();
        Assert.Contains("198.51.100.0/24 via 10.0.0.9", bed.Ip("node", "route"), StringComparison.Ordinal);
    }

    [InteropFact("ip")]
    public void Routes_that_the_kernel_dropped_with_the_link_come_back_with_the_next_table()
    {
        KernelForwarding forwarding = New();
        VipEntry[] entries = [To(Vip4, "10.0.0.5"), To(Vip6, "2001:db8:1::5", "2001:db8:1::6")];
        Apply(forwarding, entries);
        bed.Ip("node", "link", "set", "eth0", "down");
        bed.Ip("node", "link", "set", "eth0", "up");
        Assert.Empty(Routes("-4"));
        bed.Ip("node", "address", "replace", "2001:db8:1::1/64", "dev", "eth0"); // IPv6 loses its addresses, too.

        Apply(forwarding, entries);

        Assert.Equal(["10.0.0.5"], Hops("-4"));
        Assert.Equal(["2001:db8:1::5", "2001:db8:1::6"], Hops("-6"));
    }

    [InteropFact("ip")]
    public void A_backend_that_no_route_leads_to_is_a_fault_in_words_and_the_others_are_made()
    {
        KernelForwarding forwarding = New();
        forwarding.ApplyIn(bed, To(Vip4, "203.0.113.5"), To("192.0.2.2/32", "10.0.0.5"));

        Assert.Contains("ip: ", Assert.Single(faults), StringComparison.Ordinal);
        Assert.Equal(["10.0.0.5"], Hops("-4"));
    }

    [InteropFact("ip")]
    public void Clients_reach_both_backends_through_it_with_their_own_address()
    {
        // client - node - lan (a bridge) - b1, b2; the backends answer directly, by way of the node as their gateway.
        bed.AddHost("client");
        bed.AddLink("client", "eth0", "node", "eth1");
        bed.AddAddress("client", "eth0", "203.0.113.10/24");
        bed.AddAddress("client", "eth0", "2001:db8:e::10/64");
        bed.AddAddress("node", "eth1", "203.0.113.1/24");
        bed.AddAddress("node", "eth1", "2001:db8:e::1/64");
        bed.Ip("client", "route", "add", "default", "via", "203.0.113.1");
        bed.Ip("client", "-6", "route", "add", "default", "via", "2001:db8:e::1");
        bed.Ip("lan", "link", "add", "br0", "type", "bridge");
        bed.Ip("lan", "link", "set", "br0", "up");
        bed.Ip("lan", "link", "set", "eth0", "master", "br0");
        using var stop = new CancellationTokenSource();
        List<Thread> servers = [];
        foreach (int number in (int[])[5, 6])
        {
            string name = $"b{number}";
            bed.AddHost(name);
            bed.AddLink(name, "eth0", "lan", name);
            bed.Ip("lan", "link", "set", name, "master", "br0");
            bed.AddAddress(name, "eth0", $"10.0.0.{number}/24");
            bed.AddAddress(name, "eth0", $"2001:db8:1::{number}/64");
            bed.Ip(name, "route", "add", "default", "via", "10.0.0.1");
            bed.Ip(name, "-6", "route", "add", "default", "via", "2001:db8:1::1");
            var options = new BackendOptions
            {
                Name = name,
                Vips = [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("2001:db8:f00::1")],
            };
            servers.Add(new Thread(() => NetworkNamespace.Run(bed.NamespaceOf(name), () =>
            {
                BackendServer.Run(options, stop.Token);
                return 0;
            })));
            servers[^1].Start();
        }

        try
        {
            KernelForwarding forwarding = New();
            Apply(forwarding, To(Vip4, "10.0.0.5", "10.0.0.6"), To(Vip6, "2001:db8:1::5", "2001:db8:1::6"));
            foreach ((string vip, string own) in ((string, string)[])[
                ("192.0.2.1", "203.0.113.10"), ("2001:db8:f00::1", "2001:db8:e::10")])
            {
                Eventually(() => Ask(vip).Length > 0, $"{vip} answers");
                var seen = new HashSet<string>();
                Eventually(() => seen.Add(Ask(vip)) && seen.Count(answer => answer.Length > 0) >= 2
                    || seen.Count(answer => answer.Length > 0) >= 2, "both backends answer", 20);
                Assert.Equal([$"b5 {own}\n", $"b6 {own}\n"], seen.Where(answer => answer.Length > 0).Order());
            }

            Apply(forwarding, To(Vip4, "10.0.0.6"), To(Vip6, "2001:db8:1::6"));
            for (int i = 0; i < 10; i++) Assert.StartsWith("b6 ", Ask("192.0.2.1"), StringComparison.Ordinal);
        }
        finally
        {
            stop.Cancel();
            servers.ForEach(server => server.Join());
        }
    }

    public void Dispose() => bed.Dispose();

    private static VipEntry Local(string vip) => new(Prefix.Parse(vip), true, []);

    private static VipEntry To(string vip, params string[] backends) =>
        new(Prefix.Parse(vip), false, [.. backends.Select(IPAddress.Parse)]);

    private KernelForwarding New() => new(faults.Enqueue);

    private void Apply(KernelForwarding forwarding, params VipEntry[] entries)
    {
        forwarding.ApplyIn(bed, entries);
        Assert.Empty(faults);
    }

    private void Clear(KernelForwarding forwarding)
    {
        NetworkNamespace.Run(bed.NamespaceOf("node"), () =>
        {
            forwarding.Clear();
            return 0;
        });
        Assert.Empty(faults);
    }

    private string Routes(string family) => bed.Ip("node", family, "route", "show", "proto", "157");

    private string[] Hops(string family)
    {
        string[] words = Routes(family).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        return [.. words.Where((_, i) => i > 0 && words[i - 1] == "via").Order(StringComparer.Ordinal)];
    }

    private void AssertNothingLeft()
    {
        Assert.Empty(Routes("-4"));
        Assert.Empty(Routes("-6"));
        Assert.DoesNotContain("192.0.2.", bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.DoesNotContain("2001:db8:f", bed.Ip("node", "address", "show", "dev", "lo"), StringComparison.Ordinal);
    }

    private string Ask(string vip) => NetworkNamespace.Run(bed.NamespaceOf("client"), () =>
    {
        try
        {
            var to = new IPEndPoint(IPAddress.Parse(vip), 80);
            using var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            {
                ReceiveTimeout = 1000,
                SendTimeout = 1000,
            };
            socket.Connect(to);
            socket.Send("GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"u8);
            var all = new StringBuilder();
            byte[] buffer = new byte[1024];
            while (socket.Receive(buffer) is > 0 and var more) all.Append(Encoding.ASCII.GetString(buffer, 0, more));
            return all.ToString().Split("\r\n\r\n")[^1];
        }
        catch (SocketException)
        {
            return "";
        }
    });
}

internal static class InTheNode
{
    public static void ApplyIn(this KernelForwarding forwarding, Bed bed, params VipEntry[] entries) =>
        NetworkNamespace.Run(bed.NamespaceOf("node"), () =>
        {
            forwarding.Apply(new VipTable(1, [.. entries]));
            return 0;
        });
}
