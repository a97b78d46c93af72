using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Fairlead.Lab;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Node;

/// <summary>The real binary as an operator meets it.</summary>
public class NodeTests
{
    private const string HereV4 = "192.0.2.1/32";
    private const string HereV6 = "2001:db8:f00::1/128";
    private const string Cover4 = "192.0.2.0/24";
    private const string Regional = "2001:db8:f01::/48";

    [InteropFact("ip", "bird", "kdig")]
    public void It_announces_answers_withdraws_what_fails_and_stops_with_nothing_left()
    {
        using var bed = new NodeBed();
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartNode();
        bed.AwaitRoutes(HereV4, HereV6, Cover4, Regional);

        // Steered by where the client is, with the scope that says so (RFC 7871 §7.2.1).
        // A pop that has just come is named once its routes have stood for the settle time.
        bed.Until(() => bed.Dig("+short", "+subnet=203.0.113.0/24", "www.example.com", "AAAA") == "2001:db8:f01::1\n",
            "the nearest pop is named");
        string scoped = bed.Dig("+subnet=203.0.113.0/24", "www.example.com", "AAAA");
        Assert.Matches("CLIENT-SUBNET: 203.0.113.0/24/(?!0)", scoped);
        Assert.Contains("203.0.113.0/24/0", bed.Dig("+subnet=203.0.113.0/24", "txt.example.com", "TXT"),
            StringComparison.Ordinal);

        // The pool here fails, the one there lives: interval x fall, and a second.
        bed.Sicken("b1");
        TimeSpan took = bed.Until(() => !bed.HasRoute(HereV4) && !bed.HasRoute(HereV6), "the hosts are withdrawn", 5);
        Assert.True(took < TimeSpan.FromSeconds(1.4), $"it took {took.TotalSeconds:0.00} s");
        bed.Until(() => !bed.HasRoute(Cover4) && !bed.HasRoute(Regional), "and what stood on them", 1);
        Assert.True(node.HasExited == false && bed.Answers());
        bed.Heal("b1");
        bed.AwaitRoutes(HereV4, HereV6, Cover4, Regional);

        NodeBed.Signal(node, "TERM");
        bed.Until(() => !bed.HasRoute(HereV4) && !bed.HasRoute(Cover4), "SIGTERM withdraws", 3);
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.AssertNothingLeft();
        Assert.DoesNotContain("   at ", bed.LogText, StringComparison.Ordinal);
    }

    /// <summary>One pool alone is no "everywhere" that could be held (rung 6): its routes are gated on it.</summary>
    [InteropFact("ip", "bird", "kdig")]
    public void When_the_only_pool_of_a_service_fails_its_routes_go_and_its_name_is_still_answered()
    {
        string onePool = NodeBed.TwoPops.Replace(
            ", there: [10.0.0.6, \"2001:db8:1::6\"]", "", StringComparison.Ordinal);
        using var bed = new NodeBed(onePool);
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartNode();
        bed.AwaitRoutes(HereV4, HereV6, Cover4);

        bed.Sicken("b1");

        bed.Until(() => !bed.HasRoute(HereV4) && !bed.HasRoute(HereV6) && !bed.HasRoute(Cover4), "the routes go", 5);
        Assert.Equal("192.0.2.1\n", bed.Dig("+short", "www.example.com", "A"));
        using JsonDocument status = Status(bed);
        JsonElement service = status.RootElement.GetProperty("plan").GetProperty("services")[0];
        Assert.False(service.GetProperty("held").GetBoolean());
        Assert.False(node.HasExited);
    }

    [InteropFact("ip", "kdig")]
    public void A_broken_fleet_file_is_refused_and_a_good_one_taken_as_a_whole()
    {
        using var bed = new NodeBed();
        Process node = bed.StartNode();
        bed.Until(bed.Answers, "DNS answers");

        bed.WriteFleet(NodeBed.TwoPops.Replace("fall: 2", "fall: many", StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.AwaitLog("what was read is refused; the old fleet goes on");
        Assert.Contains("fleet.yaml:", bed.LogText, StringComparison.Ordinal);
        Assert.True(bed.Answers());

        bed.WriteFleet(NodeBed.TwoPops.Replace("fleet: bed", "fleet: other", StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.AwaitLog("the fleet's name has changed: restart the node");

        bed.WriteFleet(NodeBed.TwoPops.Replace("zones:", """
              shop:
                host: "::2"
                ports: [tcp/80]
                backends: {here: [10.0.0.5]}
            zones:
            """, StringComparison.Ordinal)
            .Replace("www: {service: web, ttl: 1s}", "www: {service: web, ttl: 1s}, shop: {service: shop}",
                StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.AwaitLog("the fleet file is read again and taken");
        bed.Until(() => bed.Dig("+short", "shop.example.com", "A") == "192.0.2.2\n", "the new service is answered", 3);
        Assert.False(node.HasExited);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.AssertNothingLeft();
    }

    [InteropFact("ip", "kdig")]
    public void A_killed_node_answers_from_its_last_plan_at_once_when_it_is_back()
    {
        using var bed = new NodeBed();
        bed.StartBackends();
        bed.Sicken("b1");
        Process node = bed.StartNode();
        // The plan to remember: here is down, so all the world is sent there.
        bed.Until(() => bed.Dig("+short", "+subnet=203.0.113.0/24", "www.example.com", "A").Length > 0, "an answer");
        bed.Until(() => Known(bed), "the checks are through");
        bed.Until(() => File.Exists(Path.Combine(bed.State, "last-plan.json")), "the plan is on disk");
        using (JsonDocument status = Status(bed))
            Assert.True(status.RootElement.GetProperty("generation").GetInt64() >= 1);
        node.Kill();
        NodeBed.AwaitExit(node, 5);

        // Slow checks: the first answers come before any of them is through.
        bed.WriteFleet(NodeBed.TwoPops.Replace("interval: 200ms", "interval: 60s", StringComparison.Ordinal));
        bed.StartNode();
        bed.Until(bed.Answers, "DNS answers again");
        Assert.False(Known(bed), "the checks are through already: nothing is proven");
        using JsonDocument after = Status(bed);
        string[] up = [.. after.RootElement.GetProperty("plan").GetProperty("services")[0].GetProperty("upIPv4")
            .EnumerateArray().Select(pop => pop.GetString()!)];
        Assert.Equal(["there"], up);
    }

    [InteropFact("ip", "kdig")]
    public void Garbage_leaves_it_answering()
    {
        using var bed = new NodeBed();
        Process node = bed.StartNode();
        bed.Until(bed.Answers, "DNS answers");
        NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            var random = new Random(7);
            var to = new IPEndPoint(IPAddress.Parse("10.0.0.2"), 53);
            for (int i = 0; i < 1000; i++)
            {
                byte[] datagram = new byte[random.Next(0, 700)];
                random.NextBytes(datagram);
                // Half of them are queries as far as the header goes.
                if (i % 2 == 0 && datagram.Length > 12) (datagram[2], datagram[3]) = (0, 0);
                socket.SendTo(datagram, to);
            }

            return 0;
        });

        Assert.True(bed.Answers());
        Assert.False(node.HasExited);
        using JsonDocument status = Status(bed);
        Assert.Equal(0, status.RootElement.GetProperty("dns").GetProperty("events").GetProperty("faults").GetInt64());
    }

    [InteropFact("ip", "setpriv")]
    public void What_keeps_it_from_running_is_said_in_one_line_with_its_exit_code()
    {
        using var bed = new NodeBed();
        using Socket taken = NetworkNamespace.Run(bed.Bed.NamespaceOf("n1"), () =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Any, 53));
            socket.Listen();
            return socket;
        });
        (int exit, string said) = bed.RunNode();
        Assert.Equal(69, exit);
        Assert.StartsWith("fairlead: cannot listen on 0.0.0.0:53 (TCP): another program", FaultOf(said),
            StringComparison.Ordinal);
        taken.Dispose();

        // Its folder may be read by all, and written to by none but root.
        File.SetUnixFileMode(Path.GetDirectoryName(bed.State)!, (UnixFileMode)0x1ed);
        Directory.Delete(bed.State, recursive: true);
        (exit, said) = bed.RunNode("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
        Assert.Equal(77, exit);
        Assert.Contains("run it as root", FaultOf(said), StringComparison.Ordinal);

        Directory.CreateDirectory(bed.State);
        foreach (string open in (string[])[bed.State, Path.GetDirectoryName(bed.State)!])
            File.SetUnixFileMode(open, (UnixFileMode)0x1ff);
        (exit, said) = bed.RunNode("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
        Assert.NotEqual(0, exit);
        _ = FaultOf(said);
    }

    /// <summary>The one line of the fault; there is no stack trace beside it.</summary>
    private static string FaultOf(string said)
    {
        Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
        return Assert.Single(
            said.Split('\n'), line => line.StartsWith("fairlead: ", StringComparison.Ordinal));
    }

    private static JsonDocument Status(NodeBed bed)
    {
        string text = "";
        bed.Until(() =>
        {
            (int exit, text, _) = Command.Try(NodeBed.Program, TimeSpan.FromSeconds(5), null, "status", "--control",
                bed.Control, "--output", "json");
            return exit == 0;
        }, "the node tells its status");
        return JsonDocument.Parse(text);
    }

    private static bool Known(NodeBed bed)
    {
        using JsonDocument status = Status(bed);
        return status.RootElement.GetProperty("checks").EnumerateArray()
            .All(check => check.GetProperty("known").GetBoolean());
    }
}
