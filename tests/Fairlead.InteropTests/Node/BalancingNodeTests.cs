using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Fairlead.Balancer;
using Fairlead.Lab;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Node;

/// <summary>A node whose service is taken by the balancer in the kernel, as clients and operators meet it.</summary>
public sealed class BalancingNodeTests : IDisposable
{
    private const string Vip = "192.0.2.1";
    private const string Mode = "mode: l2";

    private static readonly string Fleet = NodeBed.TwoPops
        .Replace("ports: [tcp/80]", $"ports: [tcp/80, udp/7777]\n    balance: {{{Mode}}}", StringComparison.Ordinal)
        .Replace("here: [10.0.0.5, \"2001:db8:1::5\"], there: [10.0.0.6, \"2001:db8:1::6\"]",
            "here: [10.0.0.5, 10.0.0.6, \"2001:db8:1::5\", \"2001:db8:1::6\"]", StringComparison.Ordinal)
        .Replace("geo:", "balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}\ngeo:",
            StringComparison.Ordinal);

    private readonly NodeBed bed = new(Fleet);
    private readonly BpfObject pass = XdpPass.Load();
    private readonly BpfObject wire;

    public BalancingNodeTests()
    {
        wire = NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () => XdpPass.Attach(pass, "n1"));
        // Who computes no checksum has nothing for XDP to send on.
        bed.Bed.Run("r1", "ethtool", "-K", "br0", "tx", "off");
        bed.Bed.Ip("r1", "route", "add", $"{Vip}/32", "via", "10.0.0.2");
    }

    [InteropFact("ip", "bird", "ethtool", "nsenter")]
    public void Flows_reach_the_backend_that_why_flow_names_and_stay_there_when_the_node_is_killed()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes($"{Vip}/32");
        bed.Until(() => Ask(0).Length > 0, "the VIP answers");

        // Both get some, each what `why flow` says, and each sees the client.
        var seen = new Dictionary<int, string>();
        for (int port = 12000; port < 12040; port++) seen[port] = Ask(port);
        Assert.All(seen.Values, answer => Assert.EndsWith(" 10.0.0.1", answer, StringComparison.Ordinal));
        Assert.Equal(["b1 10.0.0.1", "b2 10.0.0.1"], seen.Values.Distinct().Order());
        foreach ((int port, string answer) in seen.Take(8))
        {
            JsonElement why = bed.Json("why", "flow", $"10.0.0.1:{port}", $"{Vip}:80/tcp");
            string told = why.GetProperty("goes").GetString()!;
            Assert.Equal(answer.StartsWith("b1", StringComparison.Ordinal) ? "10.0.0.5" : "10.0.0.6", told);
        }

        JsonElement balancer = bed.Json("balancer");
        JsonElement vip = Assert.Single(balancer.GetProperty("vips").EnumerateArray(),
            one => one.GetProperty("vip").GetString() == $"{Vip}:80/tcp");
        Assert.True(vip.GetProperty("newFlows").GetInt64() >= 40, vip.GetRawText());
        Assert.All(
            balancer.GetProperty("backends").EnumerateArray()
                .Where(one => one.GetProperty("service").GetString() == "web/ipv4"),
            one => Assert.True(one.GetProperty("packets").GetInt64() > 0, one.GetRawText()));

        // Killed: the kernel goes on, and the next process with what it finds there.
        using UdpClient flow = Udp();
        string backend = Echo(flow);
        NodeBed.Signal(node, "KILL");
        NodeBed.AwaitExit(node, 10);
        Assert.Equal(backend, Echo(flow));
        Assert.Equal(seen[12000], Ask(12000));
        node = bed.StartPinned();
        bed.AwaitLog("took over what an earlier process had left");
        bed.AwaitRoutes($"{Vip}/32");
        Assert.Equal(backend, Echo(flow));

        // A backend that fails gets nothing more; the other's flows stay.
        string other = backend == "b1" ? "b2" : "b1";
        bed.Sicken(other);
        bed.Until(() => bed.Json("balancer").GetProperty("backends").EnumerateArray()
            .Count(one => one.GetProperty("service").GetString() == "web/ipv4") == 1, $"{other} has left the table");
        Assert.Equal(backend, Echo(flow));
        for (int port = 13000; port < 13010; port++) Assert.Equal($"{backend} 10.0.0.1", Ask(port));

        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.AssertNothingLeft();
        Assert.False(Directory.Exists(bed.Pins), "nothing is pinned after a stop");
        Assert.DoesNotContain("xdp", bed.Bed.Ip("n1", "link", "show", "eth0"), StringComparison.Ordinal);
    }

    [InteropFact("ip", "bird", "ethtool")]
    public void A_drained_backend_keeps_its_flows_and_gets_no_new_one_until_it_is_put_back()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartNode();
        bed.AwaitRoutes($"{Vip}/32");
        bed.Until(() => Ask(0).Length > 0, "the VIP answers");
        using UdpClient flow = Udp();
        string emptied = Echo(flow), other = emptied == "b1" ? "b2" : "b1";
        string address = emptied == "b1" ? "10.0.0.5" : "10.0.0.6", last = emptied == "b1" ? "10.0.0.6" : "10.0.0.5";

        Fairlead("drain-backend", address, "--reason", "new disks");
        bed.Until(() => WeightOf(address) == 0, $"{address} has no weight");
        for (int port = 13000; port < 13020; port++) Assert.Equal($"{other} 10.0.0.1", Ask(port));
        Assert.Equal(emptied, Echo(flow));
        Assert.Contains("new disks", Fairlead("status"), StringComparison.Ordinal);
        // Nobody would be left.
        IOException refused = Assert.Throws<IOException>(() => Fairlead("drain-backend", last));
        Assert.Contains("drain the pop instead", refused.Message, StringComparison.Ordinal);

        Fairlead("undrain-backend", address);
        bed.Until(() => WeightOf(address) == 1, $"{address} is back");
        bed.Until(() => Enumerable.Range(14000, 20).Select(Ask).Distinct().Count() == 2, "both get flows");
        Assert.Equal(emptied, Echo(flow));
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));

        string Fairlead(string command, params string[] args) =>
            Command.Run(NodeBed.Program, [command, .. args, "--control", bed.Control]);
        int WeightOf(string backend) => bed.Json("balancer").GetProperty("backends").EnumerateArray()
            .Where(one => one.GetProperty("backend").GetString() == backend)
            .Select(one => one.GetProperty("weight").GetInt32()).DefaultIfEmpty(-1).First();
    }

    [InteropFact("ip", "bird", "ethtool")]
    public void Through_a_tunnel_a_backend_opens_what_its_nodes_send_and_is_none_any_more_after_a_stop()
    {
        bed.WriteFleet(Fleet.Replace(Mode, "mode: gue", StringComparison.Ordinal));
        _ = bed.Bird;
        bed.StartBackends();
        Process[] backends =
        [
            .. new[] { "b1", "b2" }.Select(host => bed.Bed.Start(
                host, bed.InFolder($"{host}-side.log"), NodeBed.Program, "backend", "--fleet", bed.FleetFile)),
        ];
        Process node = bed.StartNode();
        bed.AwaitRoutes($"{Vip}/32");
        bed.Until(() => Ask(0).Length > 0, "the VIP answers through the tunnel");
        string[] seen = [.. Enumerable.Range(12000, 20).Select(Ask)];
        Assert.Equal(["b1 10.0.0.1", "b2 10.0.0.1"], seen.Distinct().Order());
        Assert.Contains("10.0.0.2", File.ReadAllText(bed.InFolder("b1-side.log")), StringComparison.Ordinal);

        foreach (Process backend in backends)
        {
            NodeBed.Signal(backend, "TERM");
            Assert.Equal(0, NodeBed.AwaitExit(backend, 10));
        }

        Assert.DoesNotContain(Vip, bed.Bed.Ip("b1", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.DoesNotContain("xdp", bed.Bed.Ip("b1", "link", "show", "eth0"), StringComparison.Ordinal);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.AssertNothingLeft();
    }

    [InteropFact("ip", "bird", "ethtool", "sysctl")]
    public void A_backend_on_the_nodes_link_answers_SYNs_with_cookies_where_its_service_asks_for_it()
    {
        bed.WriteFleet(Fleet.Replace(Mode, "mode: l2, synCookies: 0", StringComparison.Ordinal));
        _ = bed.Bird;
        bed.StartBackends();
        using BpfObject answers = NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () => XdpPass.Attach(pass, "b1"));
        bed.Bed.Run("b1", "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
        Process[] backends =
        [
            .. new[] { "b1", "b2" }.Select(host => bed.Bed.Start(
                host, bed.InFolder($"{host}-side.log"), NodeBed.Program, "backend", "--fleet", bed.FleetFile)),
        ];
        Process node = bed.StartNode();
        bed.AwaitRoutes($"{Vip}/32");
        // b2's kernel has its usual setting: it takes its connections itself, and its log says why.
        bed.Until(() => Enumerable.Range(12000, 20).Select(Ask).Distinct().Order()
            .SequenceEqual(["b1 10.0.0.1", "b2 10.0.0.1"]), "both answer");
        Assert.Contains("net.ipv4.tcp_syncookies is 1", File.ReadAllText(bed.InFolder("b2-side.log")),
            StringComparison.Ordinal);
        Assert.DoesNotContain("tcp_syncookies", File.ReadAllText(bed.InFolder("b1-side.log")),
            StringComparison.Ordinal);
        long before = Cookies("b1"), none = Cookies("b2");
        int asked = Enumerable.Range(13000, 20).Select(Ask).Count(answer => answer == "b1 10.0.0.1");
        Assert.InRange(asked, 1, 19);
        // Checks open connections with the kernel's own cookies: between the two counts of one there is a moment.
        bed.Until(() => (Cookies("b1") - before, Cookies("b2") - none) == (asked, 0), $"{asked} cookies of b1 alone");

        foreach (Process backend in backends)
        {
            NodeBed.Signal(backend, "TERM");
            Assert.Equal(0, NodeBed.AwaitExit(backend, 10));
        }

        Assert.DoesNotContain("xdp", bed.Bed.Ip("b1", "link", "show", "eth0"), StringComparison.Ordinal);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));

        // Connections that a cookie opened, which are those that the kernel's own cookies did not.
        long Cookies(string host) => NetworkNamespace.Run(bed.Bed.NamespaceOf(host), () =>
        {
            string[][] lines = [.. File.ReadLines("/proc/thread-self/net/netstat").Select(line => line.Split(' '))];
            return Count("SyncookiesRecv") - Count("SyncookiesSent");

            long Count(string name) => long.Parse(lines[1][Array.IndexOf(lines[0], name)],
                System.Globalization.CultureInfo.InvariantCulture);
        });
    }

    [InteropFact("ip", "bird", "ethtool", "nsenter")]
    public void A_quic_connection_stays_with_its_backend_wherever_its_client_goes_and_whatever_key_it_began_with()
    {
        const string Plain = "{config: 0, nonce: 4, ids: {10.0.0.5: a1, 10.0.0.6: a2}}";
        string old = Secret(1, 7, "8f95f09245765f80256934e50c66207f");
        string next = Secret(2, 13, "fdf726a9893ec05c0632d3956680baf0");
        bed.WriteFleet(Fleet.Replace(Mode, $"{Mode}, quic: [{Plain}, {old}]", StringComparison.Ordinal));
        _ = bed.Bird;
        bed.StartBackends();
        bed.Bed.AddAddress("r1", "br0", "10.0.0.77/24");
        Process node = bed.StartPinned();
        bed.AwaitRoutes($"{Vip}/32");
        bed.Until(() => Ask(0).Length > 0, "the VIP answers");
        // A client's first id means nobody: the slots have it, and both backends get some.
        bed.Until(() => Enumerable.Range(16000, 30).Select(port => Quic("10.0.0.1", port, [0xe7, 1, 2, 3, 4, 5, 6, 7]))
            .Distinct().Order().SequenceEqual(["b1", "b2"]), "both get new connections");
        AllStay(Id(Plain), Id(old));
        JsonElement why = bed.Json("why", "flow", "10.0.0.77:5000", $"{Vip}:7777/udp", "--quic-id",
            Convert.ToHexString(Id(old)("b2")));
        Assert.Equal(("of 10.0.0.6", "10.0.0.6"),
            (why.GetProperty("quicId").GetString(), why.GetProperty("goes").GetString()));

        // Its slots are another's: b1 takes no new flows, and keeps the connections that it has.
        Command.Run(NodeBed.Program, ["drain-backend", "10.0.0.5", "--control", bed.Control]);
        bed.Until(() => Enumerable.Range(17000, 20).All(port => Ask(port).StartsWith("b2", StringComparison.Ordinal)),
            "b1 is drained");
        AllStay(Id(Plain), Id(old));
        Command.Run(NodeBed.Program, ["undrain-backend", "10.0.0.5", "--control", bed.Control]);

        // Without the process, and with the next one.
        NodeBed.Signal(node, "KILL");
        NodeBed.AwaitExit(node, 10);
        AllStay(Id(Plain), Id(old));
        node = bed.StartPinned();
        bed.AwaitLog("took over what an earlier process had left");
        bed.AwaitRoutes($"{Vip}/32");
        AllStay(Id(Plain), Id(old));

        // A new key beside the old one, then without it: what it encrypted says nothing any more.
        bed.WriteFleet(Fleet.Replace(Mode, $"{Mode}, quic: [{old}, {next}]", StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.Until(() => Quic("10.0.0.1", 18000, Id(next)("b1")) + Quic("10.0.0.1", 18000, Id(next)("b2")) == "b1b2",
            "the new key is known");
        AllStay(Id(old), Id(next));
        bed.WriteFleet(Fleet.Replace(Mode, $"{Mode}, quic: [{next}]", StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.Until(() => Enumerable.Range(19000, 30).Select(port => Quic("10.0.0.1", port, Id(old)("b1")))
            .Distinct().Count() == 2, "the old key is forgotten");
        AllStay(Id(next));

        // Who fails gets nothing, whatever ids say.
        bed.Sicken("b1");
        bed.Until(() => Quic("10.0.0.77", 18000, Id(next)("b1")) == "b2", "b1 is out");
        string told = bed.LogText + Command.Run(NodeBed.Program, ["status", "--control", bed.Control])
            + bed.Json("status") + bed.Json("balancer")
            + Command.Run(NodeBed.Program, ["check", bed.FleetFile])
            + string.Concat(
                Directory.EnumerateFiles(bed.State, "*", SearchOption.AllDirectories).Select(File.ReadAllText));
        Assert.DoesNotContain("fdf726a9", told, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("8f95f092", told, StringComparison.OrdinalIgnoreCase);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.AssertNothingLeft();

        static string Secret(int config, int nonce, string key) =>
            $"{{config: {config}, nonce: {nonce}, key: {key}, ids: {{10.0.0.5: 5b0001, 10.0.0.6: 5b0002}}}}";
    }

    /// <summary>
    /// Connections with these ids, each as a server makes it anew: their backends have them from everywhere.
    /// </summary>
    private void AllStay(params Func<string, byte[]>[] ids)
    {
        foreach (Func<string, byte[]> id in ids)
        {
            foreach (string backend in (string[])["b1", "b2"])
            {
                for (int port = 15000; port < 15012; port++)
                {
                    Assert.Equal(backend, Quic("10.0.0.1", port, id(backend)));
                    Assert.Equal(backend, Quic("10.0.0.77", port, id(backend)));
                }
            }
        }
    }

    /// <summary>What a server of this configuration writes into its connection ids.</summary>
    private static Func<string, byte[]> Id(string config)
    {
        string Of(string name) => System.Text.RegularExpressions.Regex.Match(config, $@"{name}: (\w+)").Groups[1].Value;
        var read = new QuicConfig
        {
            Config = int.Parse(Of("config"), CultureInfo.InvariantCulture),
            NonceBytes = int.Parse(Of("nonce"), CultureInfo.InvariantCulture),
            Key = Of("key"),
            Ids = [new(Of("10.0.0.5"), IPAddress.Any), new(Of("10.0.0.6"), IPAddress.Any)],
        };
        return backend => QuicConnectionId.Write(read, Convert.FromHexString(read.Ids[backend == "b1" ? 0 : 1].Id),
            RandomNumberGenerator.GetBytes(read.NonceBytes));
    }

    /// <summary>Which backend answers a packet with a short header to this connection id.</summary>
    private string Quic(string from, int port, byte[] id) => NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () =>
    {
        using var client = new UdpClient(new IPEndPoint(IPAddress.Parse(from), port));
        client.Client.ReceiveTimeout = 2000;
        client.Connect(Vip, 7777);
        client.Send([0x40, .. id, .. new byte[24]]);
        IPEndPoint? answered = null;
        try
        {
            return Encoding.ASCII.GetString(client.Receive(ref answered)).Split(' ')[0];
        }
        catch (SocketException)
        {
            return "nobody";
        }
    });

    public void Dispose()
    {
        wire.Dispose();
        pass.Dispose();
        bed.Dispose();
    }

    /// <summary>Who answers a request from this port (0: any), and whom it saw; empty when nobody does.</summary>
    private string Ask(int port) => NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () =>
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            SendTimeout = 2000,
            ReceiveTimeout = 2000,
            LingerState = new LingerOption(true, 0),
        };
        socket.Bind(new IPEndPoint(IPAddress.Parse("10.0.0.1"), port));
        try
        {
            socket.Connect(IPAddress.Parse(Vip), 80);
            socket.Send("GET / HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"u8);
            var answer = new StringBuilder();
            byte[] part = new byte[4096];
            for (int length; (length = socket.Receive(part)) > 0;)
                answer.Append(Encoding.ASCII.GetString(part, 0, length));
            return answer.ToString().Split("\r\n\r\n")[^1].Trim();
        }
        catch (SocketException)
        {
            return "";
        }
    });

    private UdpClient Udp() => NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () =>
    {
        var client = new UdpClient(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 0));
        client.Client.ReceiveTimeout = 2000;
        client.Connect(Vip, 7777);
        return client;
    });

    /// <summary>Which backend gives a datagram of this flow back.</summary>
    private static string Echo(UdpClient flow)
    {
        flow.Send("x"u8);
        IPEndPoint? from = null;
        return Encoding.ASCII.GetString(flow.Receive(ref from)).Split(' ')[0];
    }
}
