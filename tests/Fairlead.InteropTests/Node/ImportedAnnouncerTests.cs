using Fairlead.InteropTests.Bgp;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Node;

/// <summary>What an import prints is run as it is: a node (the real binary) beside the BIRD of ExaBGP.</summary>
public sealed class ImportedAnnouncerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-imported").FullName;
    private readonly Bed bed = new($"fltimp{Environment.ProcessId}");

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("ip", "bird")]
    public void A_service_of_exabgp_is_announced_and_told_worse_when_it_fails()
    {
        bed.AddHost("n1");
        bed.AddHost("r1");
        bed.AddLink("n1", "eth0", "r1", "eth0");
        bed.AddAddress("n1", "eth0", "10.0.0.2/24");
        bed.AddAddress("r1", "eth0", "10.0.0.1/24");
        using var router = new BirdRouter(bed, "r1", """
            log stderr all;
            router id 10.0.0.1;
            protocol device {}
            protocol bgp n1 { local as 64500; neighbor 10.0.0.2 as 65001; password "secret"; connect delay time 1;
              error wait time 1, 2; ipv4 { import all; export none; }; }
            """);
        string healthy = Path.Combine(folder, "healthy"), exabgp = Path.Combine(folder, "exabgp.conf");
        File.WriteAllText(healthy, "");
        File.WriteAllText(exabgp, $$"""
            neighbor 10.0.0.1 {
                router-id 10.0.0.2; local-address 10.0.0.2; local-as 65001; peer-as 64500; hold-time 9;
                md5-password "secret";
                static { route 192.0.2.7/32 next-hop self community [ 65001:7 ]; }
            }
            process web {
                run exabgp healthcheck --cmd "test -e {{healthy}}" --ip 192.0.2.1/32 --interval 0.5 --timeout 0.4
                    --fast-interval 0.2 --rise 1 --fall 2;
                encoder text;
            }
            """);
        (int exit, string fleet, string said) = Command.Try(
            NodeBed.Program, TimeSpan.FromSeconds(20), null, "import", "exabgp", exabgp);
        // 75: a failed service goes on there for ever, and here for a day.
        Assert.True(exit == 75, said);
        File.WriteAllText(Path.Combine(folder, "fleet.yaml"), fleet);
        bed.Start("n1", Path.Combine(folder, "node.log"), NodeBed.Program, "node", "--fleet",
            Path.Combine(folder, "fleet.yaml"), "--pop", "home", "--node", "node1", "--state",
            Path.Combine(folder, "state"), "--control", Path.Combine(folder, "control.sock"));

        Await(router, "192.0.2.7/32", "BGP.community: (65001,7)");
        Await(router, "192.0.2.1/32", "BGP.med: 100\n");
        File.Delete(healthy);
        Await(router, "192.0.2.1/32", "BGP.med: 1000\n");
        File.WriteAllText(healthy, "");
        Await(router, "192.0.2.1/32", "BGP.med: 100\n");
        Assert.Equal(2, router.CountRoutes("master4"));
    }

    private void Await(BirdRouter router, string prefix, string attribute)
    {
        string shown = "";
        try
        {
            BirdRouter.Eventually(
                () => (shown = router.Ask($"show route {prefix} all")).Contains(attribute, StringComparison.Ordinal),
                $"{prefix} with {attribute}", seconds: 30);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException(
                $"{late.Message}\n{shown}\n{File.ReadAllText(Path.Combine(folder, "node.log"))}", late);
        }
    }
}
