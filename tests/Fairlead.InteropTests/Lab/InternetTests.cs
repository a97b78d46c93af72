using Fairlead.Lab.Running;
using static Fairlead.InteropTests.Lab.BareInternet;

namespace Fairlead.InteropTests.Lab;

public class InternetTests
{
    private static readonly TimeSpan Settles = TimeSpan.FromSeconds(15);

    [InteropFact("bird", "birdc", "ip")]
    public void Every_client_lands_in_its_pop_and_in_the_next_one_when_that_dies()
    {
        LabOptions options = Options("flti");
        using LabRun lab = LabRun.Up(options, default);
        StartNodes(lab);
        using var stop = new CancellationTokenSource();
        foreach (string node in new[] { "nyc1", "lon1", "tyo1" }) ServeOn(lab, node, stop.Token);
        foreach ((string client, _, _, string pop) in Geography)
        {
            Eventually(Settles, () => Reaches(lab, client, "192.0.2.10", pop));
            Eventually(Settles, () => Reaches(lab, client, "2001:db8:f00::10", pop));
            // The regional prefix leads to its own pop from wherever one comes.
            Eventually(Settles, () => Reaches(lab, client, "2001:db8:f02::10", "lon"));
            Eventually(Settles, () => Reaches(lab, client, "2001:db8:f03::10", "tyo"));
            // Packets really go there and back, with nothing rewritten on the way.
            string own = lab.Topology.Host(client)!.Addresses[0].ToString();
            Assert.EndsWith($"{pop}1 {own}\n", BackendTests.Get($"flti-{client}", "192.0.2.10", "/"));
            own = lab.Topology.Host(client)!.Addresses[1].ToString();
            Assert.EndsWith($"tyo1 {own}\n", BackendTests.Get($"flti-{client}", "2001:db8:f03::10", "/"));
        }

        lab.CutLinks("nyc-edge");
        foreach ((string client, _, _, string pop) in Geography)
        {
            string now = pop == "nyc" ? "lon" : pop;
            Eventually(TimeSpan.FromSeconds(5), () => Reaches(lab, client, "192.0.2.10", now));
            Eventually(TimeSpan.FromSeconds(5), () => Reaches(lab, client, "2001:db8:f00::10", now));
        }

        lab.RestoreLinks("nyc-edge");
        foreach ((string client, _, _, string pop) in Geography)
            Eventually(Settles, () => Reaches(lab, client, "192.0.2.10", pop));

        lab.Kill("lon-edge");
        Eventually(TimeSpan.FromSeconds(5), () => Reaches(lab, "gb", "192.0.2.10", "nyc"));
        lab.RestartHost("lon-edge", default);
        Eventually(Settles, () => Reaches(lab, "gb", "192.0.2.10", "lon"));

        stop.Cancel();
        lab.Down();
        Assert.DoesNotContain("flti-", Fairlead.Lab.Command.Run("ip", "netns", "list"));
        Assert.False(Directory.Exists(lab.RunFolder));
        Directory.Delete(options.RunRoot, recursive: true);
    }
}
