using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Lab;

public class NetworkNamespaceTests
{
    [InteropFact("ip")]
    public void A_file_that_a_switched_off_machine_has_left_is_named_with_what_to_do()
    {
        string name = $"flleft{Environment.ProcessId}";
        Directory.CreateDirectory("/run/netns");
        File.WriteAllText($"/run/netns/{name}", "");
        try
        {
            IOException fault = Assert.Throws<IOException>(() => NetworkNamespace.Run(name, () => 0));
            Assert.Contains($"ip netns delete {name}", fault.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete($"/run/netns/{name}");
        }
    }
}
